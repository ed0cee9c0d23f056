"""One writer at a time, across processes: a lock that a crash releases by itself."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import RegionalBrainAgeError

_WAIT_S = 0.02


@contextlib.contextmanager
def exclusive(path: Path, timeout_s: float = 120.0) -> Iterator[None]:
    """Hold the right to replace `path`. The operating system frees it when the holder ends, however it ends.

    Raises
    ------
    RegionalBrainAgeError : another process holds it for longer than `timeout_s`, or the folder cannot be written to.
    """
    lock_path = path.with_name(f".{path.name}.lock")
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise RegionalBrainAgeError(
                f"The folder {path.parent} cannot be written to: {error.strerror}.", "Choose a folder you may write to."
            ) from error
        if _try_lock(descriptor) and _still_there(descriptor, lock_path):
            break
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise RegionalBrainAgeError(
                f"{path} was in use by another process for {timeout_s:.0f} s.",
                "Wait for it to end and try again.",
            )
        time.sleep(_WAIT_S)
    try:
        yield
    finally:
        # Unlinked while still held: whoever waits notices that the name is gone and opens a new file.
        with contextlib.suppress(OSError):
            os.unlink(lock_path)
        os.close(descriptor)


def _still_there(descriptor: int, lock_path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(lock_path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
