"""The Python packages in the Estimate step: what is missing or broken, and installing it after the user agrees."""

from __future__ import annotations

from pathlib import Path

import slicer
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from ..messages import told_to_user
from ..work import packages
from ..work.background_run import BackgroundRun, Outcome
from ..work.paths import given
from .workspace import Workspace

# What the imports of a set of installed versions gave; they do not change while the application runs.
_IMPORTED: dict[tuple, dict[str, str]] = {}


class PackageStep:
    """Binds the packages' part of the Estimate section."""

    def __init__(self, ui, space: Workspace) -> None:
        self.ui, self.space = ui, space
        self.found: packages.Packages | None = None
        self._look: BackgroundRun | None = None
        self._told = False
        self.ui.installButton.clicked.connect(self.on_install)

    def enter(self) -> None:
        """Look at metadata and files at once, and at the imports in the background."""
        self.found = packages.look()
        self.look_closely()

    def abandon(self) -> None:
        """The panel goes away."""
        if self._look is not None:
            self._look.abandon()

    def need(self) -> None:
        """Refuse to go on without the packages.

        Raises
        ------
        InputError : one is missing or broken; the message says which and what to do.
        """
        if self.found is None or not self.found.complete:
            self.found = self._with_imports(packages.look())
        if not self.found.complete:
            raise InputError(_("Python packages are missing or broken."), self.found.sentence())

    # Imports are tried in a process of their own: a broken one could take the application with it

    def look_closely(self) -> None:
        """Import all packages in a child process, once for the versions that are installed."""
        if self.found is None or self._look is not None:
            return
        if packages.versions() in _IMPORTED:
            self.found = self._with_imports(self.found)
        elif self.found.complete:
            self._look = BackgroundRun(lambda *_x: None, self._on_looked)
            with told_to_user(_("The Python packages could not be checked.")):
                self._look.start(["packages"])

    def _on_looked(self, _outcome: Outcome) -> None:
        lines, self._look = tuple(self._look.lines), None
        _IMPORTED[packages.versions()] = packages.read_imports(lines)
        self.found = self._with_imports(packages.look())
        if self._told:
            self._told = False
            self._install()
        self.space.changed()

    @staticmethod
    def _with_imports(found: packages.Packages) -> packages.Packages:
        return found.with_imports(_IMPORTED.get(packages.versions()))

    # Installing

    def on_install(self, *_unused) -> None:
        """Say what would be installed or repaired, ask, do it. What looks complete is imported first."""
        self.found = self._with_imports(packages.look())
        if self.found.complete and not self.found.imported:
            self._told = True
            self.look_closely()
        else:
            self._install()
        self.space.changed()

    def _install(self) -> None:
        wheels = given(self.space.parameters.wheelsFolder) if self.space.parameters is not None else None
        if self.found.complete:
            slicer.util.infoDisplay(self.found.sentence(), windowTitle=_("Regional Brain Age"))
        elif self._agreed(wheels):
            with told_to_user(_("The Python packages are not all installed.")):
                # A repaired package may have the version it had.
                _IMPORTED.clear()
                packages.install(self.found, wheels)
        self.found = self._with_imports(packages.look())
        self.look_closely()

    def _agreed(self, wheels: Path | None) -> bool:
        names = [*self.found.missing, *self.found.missing_alone]
        names += [f"{name} ({wrong})" for name, wrong in self.found.broken.items()]
        names += [] if self.found.torch else ["torch"]
        source = _("from the folder {folder}").format(folder=wheels) if wheels else _("from the network (PyPI)")
        text = _(
            "{count} Python packages will be installed {source} into Slicer's own Python. "
            "This changes this Slicer installation, and nothing of your patients is sent anywhere. Continue?"
        ).format(count=len(names), source=source)
        return slicer.util.confirmOkCancelDisplay(
            text, _("Regional Brain Age - install packages"), detailedText="\n".join(names)
        )

    def refresh(self, running: bool) -> None:
        """Show the state; `running` tells whether an estimate is under way."""
        if self.found is not None:
            self.ui.packagesLabel.text = self.found.sentence()
        self.ui.installButton.enabled = not running and self._look is None
