"""Paths of the parameter node, where "not given" is the empty path, and the fields that show them."""

from __future__ import annotations

from pathlib import Path

import qt


def given(path: Path) -> Path | None:
    """The path in full, or None when the user gave none (an empty path reads ".")."""
    return None if str(path) in ("", ".") else Path(path).expanduser().absolute()


class PathFields:
    """Does for the path fields of a panel what Slicer's binding of ctkPathLineEdit leaves out.

    An emptied field empties its parameter (the widget tells of acceptable input only, and empty is not acceptable), an
    empty path is shown as an empty field, not as ".", and what is being typed is left as it is.

    Parameters
    ----------
    ui : the panel's widgets; those with `currentPath` are the path fields.
    parameters : gives the parameter node in use, or None.
    """

    def __init__(self, ui, parameters) -> None:
        self._parameters = parameters
        self._fields = [widget for widget in vars(ui).values() if hasattr(widget, "currentPath")]
        self._typed: dict[object, str] = {}
        self._showing = False
        for field in self._fields:
            line = field.findChild(qt.QLineEdit)
            line.textChanged.connect(lambda text, field=field: self._on_text(field, text))
            line.textEdited.connect(lambda text, field=field: self._on_typed(field, text))
            line.editingFinished.connect(lambda field=field: self._typed.pop(field, None))

    def _on_text(self, field, text: str) -> None:
        parameters = self._parameters()
        if text == "" and not self._showing and parameters is not None:
            setattr(parameters, field.property("SlicerParameterName"), Path())

    def _on_typed(self, field, text: str) -> None:
        self._typed[field] = text
        self.show()

    def show(self) -> None:
        """After every change of the parameter node, which the binding writes into the fields in its own words."""
        for field in self._fields:
            shown, typed = field.currentPath, self._typed.get(field)
            as_typed = typed is not None and Path(typed) == Path(shown)
            wanted = typed if as_typed else {".": ""}.get(shown, shown)
            if wanted != shown:
                self._showing = True
                # Without a signal: while a scene is being read it would write this path over the one that comes.
                was = field.blockSignals(True)
                field.currentPath = wanted
                field.blockSignals(was)
                self._showing = False
