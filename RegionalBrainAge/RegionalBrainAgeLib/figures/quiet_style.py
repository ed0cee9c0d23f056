"""The style of matplotlib figures, without a word about fonts that a machine lacks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib


@contextmanager
def drawing_style(settings: Mapping[Any, Any]) -> Iterator[None]:
    """Draw with these rcParams; falls back silently if a font is missing."""
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        with matplotlib.rc_context(dict(settings)):
            yield
    finally:
        fonts.setLevel(level)
