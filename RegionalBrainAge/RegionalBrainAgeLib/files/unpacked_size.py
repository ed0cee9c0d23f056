"""Whether a gzip file really holds as much as a header claims, found out without keeping it in memory."""

from __future__ import annotations

import zlib
from pathlib import Path

_BLOCK = 1 << 18
_OUT = 1 << 22


def holds_unpacked(path: Path, needed_bytes: int, offset: int = 0) -> bool:
    """Whether the gzip stream that begins `offset` bytes into a file unpacks to at least `needed_bytes`.

    Stops as soon as that is certain. Damaged streams raise zlib.error.
    """
    unpacked, rest = 0, b""
    with path.open("rb") as stream:
        stream.seek(offset)
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        while unpacked < needed_bytes:
            block = rest or stream.read(_BLOCK)
            found = len(inflate.decompress(block, _OUT))
            if not block and not found:
                return False
            unpacked += found
            rest = inflate.unconsumed_tail
            if inflate.eof:
                rest = inflate.unused_data
                if not (rest or stream.peek(2)).startswith(b"\x1f"):
                    break
                inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    return unpacked >= needed_bytes
