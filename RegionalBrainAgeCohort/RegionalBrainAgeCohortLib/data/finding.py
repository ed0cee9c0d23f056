"""One thing about a table that its user should know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing the user should know: level is "warning" or "note"."""

    level: str
    sentence: str
