"""A case's folder appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from .lock import exclusive

# About twice what a case at 1 mm leaves.
SPACE_NEEDED_MB = 200


@contextlib.contextmanager
def case_folder(out_dir: Path, name: str, overwrite: bool = False) -> Iterator[Path]:
    """An empty hidden folder that becomes ``out_dir/name`` when the block ends without an error.

    A crash, an error or a cancel leaves nothing under that name (or, with `overwrite`, the old folder as it was).
    Hidden remains of a killed run are removed by the next run of the same case.

    Raises
    ------
    InputError : the folder exists and `overwrite` is false, or `out_dir` cannot be written to or is full.
    """
    out_dir = Path(out_dir)
    created = not out_dir.exists()
    make_writable(out_dir)
    try:
        with _reserved(out_dir, name, overwrite) as partial:
            yield partial
    except BaseException:
        if created:
            with contextlib.suppress(OSError):  # not empty: another case lives here by now
                out_dir.rmdir()
        raise


@contextlib.contextmanager
def _reserved(out_dir: Path, name: str, overwrite: bool) -> Iterator[Path]:
    final = out_dir / name
    with exclusive(final, timeout_s=0.0):
        retired = out_dir / f".{name}.replaced"
        if retired.exists() and not final.exists():
            os.replace(retired, final)
        if final.exists() and not overwrite:
            raise InputError(
                f"The case folder {final} exists already.", "Use --overwrite, or give another id or --out."
            )
        for stale in [*out_dir.glob(f".{name}.partial-*"), retired]:
            shutil.rmtree(stale, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.partial-", dir=out_dir))
        try:
            partial.chmod(out_dir.stat().st_mode & 0o777)
            yield partial
            if final.exists():
                os.replace(final, retired)
            os.replace(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(retired, ignore_errors=True)


def make_writable(out_dir: Path) -> None:
    """Makes the output folder if needed; raises InputError where it cannot be written to or is nearly full."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out_dir):
            pass
    except OSError as error:
        raise InputError(
            f"The output folder {out_dir} cannot be written to: {error.strerror}.", "Choose a folder you may write to."
        ) from error
    free_mb = shutil.disk_usage(out_dir).free // 2**20
    if free_mb < SPACE_NEEDED_MB:
        raise InputError(
            f"The output folder {out_dir} has {free_mb} MB of free space; a case needs {SPACE_NEEDED_MB} MB.",
            "Free some space or choose another --out.",
        )
