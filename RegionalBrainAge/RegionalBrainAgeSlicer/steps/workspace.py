"""What the steps share: the parameter node in use, where files lie, and how to tell that something changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import qt

from ..parameters import RegionalBrainAgeParameterNode
from ..work.paths import given


@dataclass
class Workspace:
    """One per panel.

    Parameters
    ----------
    changed : called by a step whose state changed in a way the parameter node does not tell.
    parameters : the scene's parameter node; None while a scene is closed or opened.
    launch : another way to start processes, for tests; None: ``slicer.util.launchConsoleProcess``.
    """

    changed: Callable[[], None]
    parameters: RegionalBrainAgeParameterNode | None = None
    launch: Callable | None = None

    def case_name(self) -> str:
        """``sub-<id>``, as the library names the case."""
        return f"sub-{self.parameters.caseId.strip().removeprefix('sub-')}"

    def working_folder(self) -> Path:
        """Where estimates lie until they are saved."""
        folder = given(self.parameters.workingFolder)
        if folder is not None:
            return folder
        documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
        return Path(documents) / "RegionalBrainAge" / "working"

    def inputs_folder(self) -> Path:
        """Where heads and masks lie that a background run reads."""
        return self.working_folder() / "inputs"
