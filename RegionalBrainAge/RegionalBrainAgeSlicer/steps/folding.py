"""Which steps of a panel are open."""

from __future__ import annotations


class Folding:
    """Opens a step when its turn comes and folds it when that has passed; between, the user decides."""

    def __init__(self) -> None:
        self._wanted: dict[object, bool] = {}

    def open(self, section, wanted: bool) -> None:
        """Say whether it is the turn of a section (a ctkCollapsibleButton)."""
        if self._wanted.get(section) != wanted:
            self._wanted[section] = wanted
            section.collapsed = not wanted
