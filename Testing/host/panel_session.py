"""A user at the panel of the stand-in application, for the tests of whole sessions and of single behaviours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6 import QtCore, QtTest, QtWidgets

FAKE = Path(__file__).resolve().with_name("fake_library.py")


class Session:
    """A user at the panel, with `fake_library.py` as the library."""

    def __init__(self, host, folder: Path, made) -> None:
        self.host, self.folder, self.made = host, folder, made
        self.commands: list[list[str]] = []
        _module, self.panel = host.open_module("RegionalBrainAge")
        self.ui = self.panel.ui
        self.panel.parent.show()
        self.panel.parent.resize(560, 2000)
        self.ui.workingPath.setPath(str(folder / "working"))
        self.ui.outputPath.setPath(str(folder / "cohort"))
        self.pictures = os.environ.get("REGIONAL_BRAIN_AGE_PICTURES")

    def behave(self, behaviour: str) -> None:
        """How the background run goes."""

        def launch(arguments, **options):
            import slicer.util

            _python, _background, *rest = arguments
            self.commands.append(rest)
            command = [sys.executable, str(FAKE), behaviour, str(self.made.folder), *rest]
            self.process = slicer.util.launchConsoleProcess(command, **options)
            return self.process

        self.panel.space.launch = launch

    def open_section(self, widget) -> None:
        """Unfold the step a widget lies in, as a user does who wants to go back to it."""
        section = widget.parentWidget()
        while section is not None and not hasattr(section, "isCollapsed"):
            section = section.parentWidget()
        if section is not None and section.isCollapsed():
            section.setCollapsed(False)
            self.host.qt.processEvents()

    def click(self, button) -> None:
        self.host.qt.processEvents()
        self.open_section(button)
        assert button.isEnabled(), f"{button.objectName()} is disabled"
        assert button.isVisible(), f"{button.objectName()} is hidden"
        QtTest.QTest.mouseClick(button, QtCore.Qt.MouseButton.LeftButton)

    def write(self, widget, text: str) -> None:
        """Type into a field in place of what it holds, and leave it."""
        self.open_section(widget)
        widget.setFocus()
        edit = widget if isinstance(widget, QtWidgets.QLineEdit) else widget.findChild(QtWidgets.QLineEdit)
        edit.selectAll()
        QtTest.QTest.keyClicks(edit, text)
        QtTest.QTest.keyClick(edit, QtCore.Qt.Key.Key_Return)
        QtTest.QTest.keyClick(edit, QtCore.Qt.Key.Key_Tab)

    def choose(self, path: Path) -> None:
        """What the user will choose in the next file dialog."""
        import qt

        qt.QFileDialog.answer = str(path)

    def picture(self, name: str) -> None:
        if self.pictures:
            self.host.screenshot("RegionalBrainAge", Path(self.pictures) / f"{name}.png")

    # The steps

    def open_head(self, path: Path) -> None:
        self.choose(path)
        self.click(self.ui.loadT1Button)

    def facts(self, case_id: str = "walk", age: str = "61.5", sex: str = "F") -> None:
        self.write(self.ui.caseIdEdit, case_id)
        self.write(self.ui.ageSpin, age)
        # Not by keys: those of two patients within half a second would be one word.
        self.ui.sexCombo.setCurrentIndex(self.ui.sexCombo.findText(sex))

    def patient(self) -> None:
        self.open_head(self.made.t1)
        self.facts()
        assert self.ui.patientMessage.text() == "Ready for the lesion review."

    def lesion(self) -> None:
        self.choose(self.made.lesion)
        self.click(self.ui.loadMaskButton)

    def approve(self) -> None:
        self.write(self.ui.reviewerEdit, "Dr Example")
        self.click(self.ui.approveButton)

    def estimate(self) -> None:
        self.click(self.ui.estimateButton)

    def finish(self) -> None:
        assert self.host.wait(lambda: not self.panel.estimate.running, 30)
        self.shown()

    def shown(self) -> None:
        """Wait until the case is on screen."""
        assert self.host.wait(lambda: not self.panel.results.showing, 30)

    def close(self) -> None:
        self.panel.estimate.on_cancel()
        self.host.wait(lambda: not self.panel.estimate.running, 5)
        self.host.close_module("RegionalBrainAge")
