"""Tells two builds of one version apart: by the content of the code that makes a result."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from . import __version__

_HERE = Path(__file__).resolve().parent
# How cases are queued and looked at changes no result. The files of Resources, models among them, have sums of their
# own, and lie elsewhere in a checkout.
_NO_PART_OF_A_RESULT = ("batch", "Resources")


@lru_cache(maxsize=1)
def build_id() -> str:
    """Twelve hexadecimal digits: the beginning of a SHA-256 of this library's modules.

    The same in a checkout, an installed wheel and a Slicer extension; line endings do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(_HERE.rglob("*.py"), key=lambda path: path.relative_to(_HERE).as_posix()):
        inside = path.relative_to(_HERE)
        if inside.parts[0] in _NO_PART_OF_A_RESULT:
            continue
        digest.update(inside.as_posix().encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:12]


def version_and_build() -> str:
    """For example ``0.1.0 (build 1a2b3c4d5e6f)``."""
    return f"{__version__} (build {build_id()})"
