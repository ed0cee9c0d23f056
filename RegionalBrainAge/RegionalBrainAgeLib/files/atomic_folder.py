"""A folder of results appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import InputError, RegionalBrainAgeError
from .atomic_file import UMASK, write_atomically
from .lock import exclusive

# About twice what a case at 1 mm leaves.
SPACE_NEEDED_MB = 200
_STAGING = ".results.partial-"


@contextlib.contextmanager
def case_folder(out_dir: Path, name: str, overwrite: bool = False) -> Iterator[Path]:
    """An empty hidden folder that becomes ``out_dir/name`` when the block ends without an error.

    A crash, an error or a cancel leaves nothing under that name (or, with `overwrite`, the old folder as it was).
    Hidden remains of a killed run are removed by the next run of the same case.

    Raises
    ------
    InputError : the folder exists and `overwrite` is false, or `out_dir` cannot be written to or is full.
    RegionalBrainAgeError : another process is writing this case.
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
                f"The folder {final} exists already.", "Use --overwrite, or give another id or output folder."
            )
        for stale in [*out_dir.glob(f".{name}.partial-*"), retired]:
            shutil.rmtree(stale, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.partial-", dir=out_dir))
        try:
            partial.chmod(folder_mode(out_dir))
            yield partial
            if final.exists():
                os.replace(final, retired)
            os.replace(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            if retired.exists() and not final.exists():  # ended between the two renames
                os.replace(retired, final)
            shutil.rmtree(retired, ignore_errors=True)


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse a folder for a model before the work begins.

    Raises
    ------
    InputError : `out` is a file, or holds something and `overwrite` is false.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file.", "Give a folder.")
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise InputError(f"The folder {out} is not empty.", "Choose another output folder or add --overwrite.")


def replaced_folder(out: Path) -> contextlib.AbstractContextManager[Path]:
    """An empty hidden folder that takes the place of `out` when the block ends without an error; see `case_folder`."""
    whole = Path(out).resolve()
    return case_folder(whole.parent, whole.name, overwrite=True)


@contextlib.contextmanager
def staged_results(out_dir: Path, last: Sequence[str]) -> Iterator[Path]:
    """An empty hidden folder inside `out_dir` whose files move up together when the block ends without an error.

    For results that lie beside other files of the user's (or in a folder that cannot be renamed, as a container's
    volume). Until the end the files of an earlier run stay as they are. The files named in `last` say that the results
    are whole: they go first and come back last, so a mixture of two runs never has them. Files of an earlier run that
    the new one lacks go. Which files are a run's own stands in a hidden list beside them; others are never touched.

    Parameters
    ----------
    last : names of files in `out_dir`, the very last one last.

    Raises
    ------
    InputError : `out_dir` cannot be written to, or a file of the user's has the name of a result (`check_own`).
    RegionalBrainAgeError : another run is writing there.
    """
    out_dir = Path(out_dir)
    make_folder(out_dir)
    with exclusive(out_dir / "results", timeout_s=0.0):
        for left in out_dir.glob(f"{_STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=out_dir))
        try:
            yield staging
            _move_up(staging, out_dir, last)
        except OSError as error:
            raise RegionalBrainAgeError(
                f"The results cannot be written to {out_dir}: {error.strerror}.",
                "Check free space and permissions of the folder.",
            ) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _move_up(staging: Path, out_dir: Path, last: Sequence[str]) -> None:
    files = sorted(path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file())
    files.sort(key=lambda name: last.index(name) if name in last else -1)
    check_own(out_dir, last, files)
    old = _listed(out_dir, last)
    # A run killed from here on leaves files of both.
    write_atomically(_list_of(out_dir, last), "\n".join(sorted(old | set(files))))
    for name in last:
        (out_dir / name).unlink(missing_ok=True)
    for gone in sorted(old - set(files)):
        (out_dir / gone).unlink(missing_ok=True)
    for file in files:
        (out_dir / file).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / file, out_dir / file)
    write_atomically(_list_of(out_dir, last), "\n".join(files))


def check_own(out_dir: Path, last: Sequence[str], others: Iterable[str] = ()) -> None:
    """Refuse to put results over files that no earlier run wrote.

    Parameters
    ----------
    last : as for `staged_results`. others : names of further files to write.

    Raises
    ------
    InputError : `out_dir` holds such a file.
    """
    own = _listed(out_dir, last)
    foreign = [name for name in (*last, *others) if name not in own and os.path.lexists(out_dir / name)]
    if foreign:
        raise InputError(
            f"The output folder {out_dir} holds a file {foreign[0]} that no earlier run wrote there.",
            "Choose another output folder, or move that file.",
        )


def _list_of(out_dir: Path, last: Sequence[str]) -> Path:
    """Where the names of a run's files stand."""
    return out_dir / f".{last[-1]}.files"


def _listed(out_dir: Path, last: Sequence[str]) -> set[str]:
    """Names of the files that earlier runs wrote; none that leads out of the folder."""
    try:
        names = _list_of(out_dir, last).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):  # no list, or no folder at all
        return set()
    return {name for name in names if name and not Path(name).is_absolute() and ".." not in Path(name).parts}


def folder_mode(parent: Path) -> int:
    """Permissions of a new folder of patients: closed to others where a parent is open to many, else by the umask."""
    mode = parent.stat().st_mode
    shared = mode & (stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH)
    return 0o700 if shared else 0o777 & ~UMASK


def make_folder(folder: Path) -> None:
    """Make a folder for results and what leads to it, with `folder_mode`.

    Raises
    ------
    InputError : it cannot be made, or is none.
    """
    folder = Path(folder)
    try:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        for place in reversed(missing):
            place.mkdir(mode=folder_mode(place.parent), exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(20, "it is a file")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"The output folder {folder} cannot be written to: {reason}.", "Choose a folder you may write to."
        ) from error


def make_writable(out_dir: Path) -> None:
    """Makes the output folder if needed; raises InputError where it cannot be written to or is nearly full."""
    make_folder(out_dir)
    try:
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
            "Free some space or choose another output folder.",
        )
