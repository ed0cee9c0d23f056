"""A file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import RegionalBrainAgeError

try:
    import fcntl
except ImportError:  # Windows, which removes no file that is open
    fcntl = None  # type: ignore[assignment]  # mypy knows no module that may be absent

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
    before it is renamed, and gets the permissions that the umask leaves. What killed writers of `path` left goes.

    Raises
    ------
    RegionalBrainAgeError : the folder cannot be written to or is full.
    """
    path = Path(path)
    try:
        remove_left(path.parent, path.name)
        handle, temporary = _temporary(path)
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


def _temporary(path: Path) -> tuple[int, str]:
    """A new file beside `path`, held for as long as it is open, and its name."""
    while True:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY_ENDING, dir=path.parent)
        try:
            held = _hold(handle)
        except OSError:  # a file system without locks: there nobody can tell that it is left over either
            held = True
        # Another writer may take it for left over between its making and its locking.
        if held and os.path.exists(temporary):
            return handle, temporary
        os.close(handle)


def remove_left(folder: Path, name: str = "") -> None:
    """Remove what killed writers of the file `name` left in a folder (of any file for ""); one being written stays."""
    temporary = re.compile(rf"\.{re.escape(name) or '.+'}\.[a-z0-9_]+\{TEMPORARY_ENDING}")
    for left in [path for path in folder.glob(f".*{TEMPORARY_ENDING}") if temporary.fullmatch(path.name)]:
        with contextlib.suppress(OSError):
            handle = os.open(left, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                free = _hold(handle)
                if free and fcntl is not None:
                    os.unlink(left)
            finally:
                os.close(handle)
            if free and fcntl is None:
                os.unlink(left)


def _hold(handle: int) -> bool:
    """Lock an open file until it is closed; False where another writer holds it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


# Asked once: the call changes it for a moment, which other threads could see.
UMASK = _umask()
