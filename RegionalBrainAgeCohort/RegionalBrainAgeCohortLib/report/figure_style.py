"""What all figures share: palette, type, names in words, and saving as SVG.

Colours are those of a patient's report: blue (negative) through grey to orange (positive), symmetric about zero.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from RegionalBrainAgeLib.figures import palette
from RegionalBrainAgeLib.figures.quiet_style import drawing_style

INK, MUTED, LINE, FAINT = palette.INK, palette.MUTED, palette.LINE, palette.FAINT
BLUE, ORANGE, GREEN, PLUM, GREY = palette.BLUE, palette.ORANGE, palette.GREEN, palette.PLUM, palette.GREY
DIVERGING = LinearSegmentedColormap.from_list("pad", palette.DIVERGING)
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": MUTED,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a network may be called $x$
    "svg.hashsalt": "regional-brain-age",
}
_WORDS = {
    "load_cst": "CST load",
    "load_cst_weighted": "weighted CST load",
    "motor": "Motor outcome",
    "age": "Age",
    "sex_M": "Sex (male)",
    "log_lesion_volume": "Lesion volume (log)",
    "lesion_volume_ml": "Lesion volume",
    "days_post_stroke": "Days since stroke",
    "intercept": "Intercept",
    "group_mild": "Mild minus severe",
}
_KINDS = {"pad": "PAD", "load": "load", "thickness": "thickness"}


@dataclass(frozen=True)
class Picture:
    """A finished figure: SVG text, a title and the sentence that tells how to read it."""

    svg: str
    title: str
    caption: str


def style() -> AbstractContextManager[None]:
    """The style of the figures; falls back silently if a font is missing."""
    return drawing_style(STYLE)


def to_svg(figure: Figure) -> str:
    """SVG text of a figure, the same for the same figure."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.06, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def words(column: str, short: bool = False) -> str:
    """A column's name for a reader: pad_contra_fpn -> "Contralesional FPN PAD" (short: "contra FPN")."""
    if column in _WORDS:
        return _WORDS[column]
    parts = column.split("_", 2)
    if len(parts) == 3 and parts[0] in _KINDS and parts[1] in ("ipsi", "contra"):
        if short:
            return f"{parts[1]} {parts[2].upper()}"
        return f"{parts[1].capitalize()}lesional {parts[2].upper()} {_KINDS[parts[0]]}"
    return column.replace("_", " ")


def bare(axes: Axes, keep: str = "bottom") -> None:
    """Only the named spine stays."""
    for name, spine in axes.spines.items():
        spine.set_visible(name == keep)
    axes.tick_params(length=0)


def symmetric_limit(values: object, least: float = 0.0) -> float:
    """A symmetric colour limit that holds all finite values."""
    import numpy as np

    finite = np.abs(np.asarray(values, float))
    finite = finite[np.isfinite(finite)]
    return max(float(finite.max()) if finite.size else 1.0, least) or 1.0
