"""A file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import RegionalBrainAgeError

TEMPORARY_ENDING = ".tmp"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part.

    Raises
    ------
    RegionalBrainAgeError : the folder cannot be written to or is full.
    """
    with atomic_stream(path, binary=isinstance(content, bytes)) as stream:
        stream.write(content)


@contextlib.contextmanager
def atomic_stream(path: Path, *, binary: bool = False) -> Iterator[IO]:
    """A stream whose content takes the place of `path` when the block ends without an error.

    The file is made under a name nobody can guess beside `path` (so no link laid in wait is followed), reaches the disk
    before it is renamed, and gets the permissions that the umask leaves.

    Raises
    ------
    RegionalBrainAgeError : the folder cannot be written to or is full.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY_ENDING, dir=path.parent)
        try:
            stream: IO = os.fdopen(handle, "wb") if binary else os.fdopen(handle, "w", encoding="utf-8", newline="")
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~UMASK)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise RegionalBrainAgeError(
            f"{path} cannot be written: {error.strerror}.", "Check free space and permissions of the folder."
        ) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


# Asked once: the call changes it for a moment, which other threads could see.
UMASK = _umask()
