"""One writer at a time, across processes: a lock that a crash releases by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import RegionalBrainAgeError

_POLL_S = 0.02


@contextlib.contextmanager
def exclusive(path: Path, timeout_s: float = 120.0) -> Iterator[None]:
    """Hold the right to replace `path`. The operating system frees it when the holder ends, however it ends.

    Raises
    ------
    RegionalBrainAgeError : another process holds it for longer than `timeout_s`, or the folder cannot be written to.
    """
    lock_path = path.with_name(f".{path.name}.lock")
    lock = FileLock(lock_path, timeout=timeout_s, poll_interval=_POLL_S)
    try:
        path.parent.stat()  # filelock would make a folder that is not there
        lock.acquire()
    except Timeout:
        # Its cause is not handed on: filelock's Timeout is an OSError, and here no file failed.
        raise RegionalBrainAgeError(
            f"{path} was in use by another process for {timeout_s:.0f} s.", "Wait for it to end and try again."
        ) from None
    except OSError as error:
        raise RegionalBrainAgeError(
            f"The folder {path.parent} cannot be written to: {error.strerror}.", "Choose a folder you may write to."
        ) from error
    try:
        yield
    finally:
        # Unlinked while still held: whoever waits sees that the file has no name any more and takes a new one.
        with contextlib.suppress(OSError):
            lock_path.unlink()
        lock.release()
