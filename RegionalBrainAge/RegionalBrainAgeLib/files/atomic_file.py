"""A text file appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import RegionalBrainAgeError


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new content, never a part."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
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
