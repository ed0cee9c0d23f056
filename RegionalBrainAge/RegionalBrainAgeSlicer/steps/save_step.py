"""Step 5: the case folder and its row in the cohort's table."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import qt
import slicer
from RegionalBrainAgeLib.case.result.tables import append_case
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import read_table
from slicer.i18n import tr as _

from ..messages import told_to_user
from ..scene.case_table import case_in_scene
from ..work.paths import given
from .workspace import Workspace

TABLE = "processed_cases.csv"


class SaveStep:
    """Binds the Save section."""

    def __init__(self, ui, space: Workspace) -> None:
        self.ui, self.space = ui, space
        self.ui.saveButton.clicked.connect(self.on_save)
        self.ui.reportButton.clicked.connect(self.on_report)

    def on_save(self, *_unused) -> None:
        """Add the shown case to the cohort folder."""
        with told_to_user(_("The case could not be saved.")):
            case = case_in_scene(self.space.parameters.caseShown)
            out_dir = given(self.space.parameters.outputFolder)
            if out_dir is None:
                raise InputError(_("There is no cohort folder."), _("Choose one."))
            target = out_dir / case.name
            if target.exists() and target.resolve() != case.path.resolve() and not self._may_replace(target):
                return
            save_case(case.path, out_dir)
            self.ui.savedLabel.text = _("Saved: {folder} and its row in {table}.").format(
                folder=target, table=out_dir / TABLE
            )
        self.space.changed()

    def _may_replace(self, target: Path) -> bool:
        text = _("The folder {folder} exists already. Replace it?").format(folder=target)
        return slicer.util.confirmOkCancelDisplay(text, _("Regional Brain Age - save"))

    def on_report(self, *_unused) -> None:
        """Open the case's report in the browser."""
        with told_to_user(_("The report could not be opened.")):
            case = case_in_scene(self.space.parameters.caseShown)
            report = case.file("report.html")
            if not report.exists():
                raise InputError(_("The report {path} is gone.").format(path=report), _("Estimate the case again."))
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(report)))

    def forget(self) -> None:
        """The scene closes: what was saved was another's."""
        self.ui.savedLabel.text = ""

    def refresh(self, ready: bool) -> None:
        """Offer the buttons when a case is `ready`."""
        self.ui.saveButton.enabled = ready
        self.ui.reportButton.enabled = ready


def save_case(folder: Path, out_dir: Path) -> Path:
    """Copy a case folder into `out_dir`, whole or not at all, and put its row into the table there.

    Raises
    ------
    InputError : the case folder or its row is gone.
    OSError : `out_dir` cannot be written to.
    """
    folder, out_dir = Path(folder), Path(out_dir)
    target = out_dir / folder.name
    if not folder.is_dir():
        raise InputError(_("The case folder {folder} is gone.").format(folder=folder), _("Estimate the case again."))
    if target.exists() and target.resolve() == folder.resolve():
        return target
    row = _row_of(folder)
    out_dir.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=out_dir))
    try:
        copy = partial / folder.name
        shutil.copytree(folder, copy)
        if target.exists():
            os.replace(target, partial / "replaced")
        os.replace(copy, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    append_case(out_dir / TABLE, row)
    return target


def _row_of(folder: Path) -> dict[str, str]:
    case_id = folder.name.removeprefix("sub-")
    table = folder.parent / TABLE
    rows = [row for row in read_table(table) if row["case_id"] in (case_id, folder.name)] if table.exists() else []
    if not rows:
        raise InputError(
            _("The row of {case} in {table} is gone.").format(case=folder.name, table=table),
            _("Estimate the case again."),
        )
    return rows[-1]
