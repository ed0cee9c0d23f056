"""Content of files and folders as checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any


def checksum(path: Path) -> dict[str, Any]:
    """Path, size in bytes and sha256 of a file, or of all files of a folder together (by name, then content)."""
    path = Path(path)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest, size = hashlib.sha256(), 0
    for file in files:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
    return {"path": str(path), "bytes": size, "sha256": digest.hexdigest()}
