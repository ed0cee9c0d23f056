"""Paths of the parameter node, where "not given" is the empty path."""

from __future__ import annotations

from pathlib import Path


def given(path: Path) -> Path | None:
    """The path, or None when the user gave none (an empty path reads ".")."""
    return None if str(path) in ("", ".") else path


def show_no_path_as_empty(ui) -> None:
    """Slicer's binding writes an empty path into its field as "."; the user shall see an empty field."""
    for widget in vars(ui).values():
        if getattr(widget, "currentPath", None) == ".":
            # Without a signal: while a scene is being read it would write the empty path over the one that comes.
            was = widget.blockSignals(True)
            widget.currentPath = ""
            widget.blockSignals(was)
