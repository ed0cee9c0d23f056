"""Step 4: the case on the brain, in the table and in the plot."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from RegionalBrainAgeLib.case.report import reading
from slicer.i18n import tr as _

from ..messages import told_to_user
from ..scene import case_nodes
from ..scene.case_folder import CaseFolder, read_case_folder
from ..scene.case_rows import columns_of, describe, reasons_of, rows_of
from ..scene.case_scene import open_case, show_overlay
from ..scene.case_table import case_in_scene
from ..scene.colour_scales import NOT_ESTIMABLE_RGB
from ..scene.overlays import overlay_by_key, overlays_of
from ..scene.patient_facts import set_case_facts, set_case_shown
from ..scene.slice_views import (
    LAYOUT_ID,
    fit_views,
    jump_to_lesion,
    jump_to_region,
    set_overlay_opacity,
    show_case_in_views,
)
from ..work.chunked_work import Steps, TurnByTurn
from .workspace import Workspace

_HINT = _("Click a row to go to the region.")
_ROW_HEIGHT = 21


class ResultsStep:
    """Binds the Results section."""

    def __init__(self, ui, space: Workspace) -> None:
        self.ui, self.space = ui, space
        self._filled: tuple = ()
        self._busy = False
        self._work: TurnByTurn | None = None
        self._opening = False
        table = self.ui.resultsTable
        table.verticalHeader().visible = False
        table.verticalHeader().defaultSectionSize = _ROW_HEIGHT
        table.horizontalHeader().stretchLastSection = True
        self.ui.openCaseButton.clicked.connect(self.on_open)
        self.ui.caseCombo.currentIndexChanged.connect(self.on_case)
        self.ui.overlayCombo.currentIndexChanged.connect(self.on_overlay)
        self.ui.opacitySlider.valueChanged.connect(self.on_opacity)
        self.ui.layoutButton.clicked.connect(self.on_show)
        table.itemSelectionChanged.connect(self.on_row)

    # From disk into the scene

    def on_open(self, *_unused) -> None:
        """Ask for a case folder and show it."""
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Open case folder sub-<id>"))
        if path:
            self.open(Path(path))

    def on_estimated(self, folder: Path, name: str, head) -> None:
        """An estimate ended well: show it, unless the user is with another patient by now.

        `head` is the node it was made from, or None.
        """
        parameters = self.space.parameters
        if head is not None and head.GetScene() is None:
            head = None
        elsewhere = parameters is not None and parameters.t1Volume is not None and parameters.t1Volume is not head
        self._open_folder(folder, head, show=not (elsewhere and head is not None))

    def open(self, folder: Path, t1_volume=None) -> None:
        """Begin to bring a case folder into the scene and show it; `showing` tells whether that is still going on."""
        self._open_folder(folder, t1_volume, show=True)

    def _open_folder(self, folder: Path, t1_volume, show: bool) -> None:
        self._begin(self._open(folder, t1_volume, show), _("The case could not be opened."), opening=True)

    def _open(self, folder: Path, t1_volume, show: bool) -> Steps:
        case = read_case_folder(folder)
        yield from open_case(case, t1_volume)
        if self.space.parameters is None:
            return
        if not show:
            if t1_volume is not None:
                set_case_shown(t1_volume, case.case_id)
            return
        self._choose(case)
        yield case.name
        yield from self._show(case.case_id, fit=True)

    def _choose(self, case: CaseFolder) -> None:
        """The case shown and the patient in the steps are one."""
        set_case_facts(self.space.parameters, case, case_nodes.find(case.case_id, "t1"))

    def _show(self, case_id: str, fit: bool = False) -> Steps:
        """Show a case of the scene with the overlay chosen."""
        parameters = self.space.parameters
        if case_nodes.find(case_id, "regions") is not None:
            yield from show_overlay(case_id, parameters.overlay)
        show_case_in_views(case_id, parameters.overlayOpacityPercent / 100.0, LAYOUT_ID if fit else None)
        yield _("views")
        if fit:
            fit_views(case_id)
            yield _("views")
            jump_to_lesion(case_id)

    # Piece by piece, so that the window stays alive

    @property
    def showing(self) -> bool:
        """Whether a case is being brought into the scene."""
        return self._work is not None and self._work.running

    def _begin(self, steps: Steps, failure: str, opening: bool = False) -> None:
        if self.showing and self._opening:
            # Half a case would be worse than a moment's wait.
            self._work.finish()
        self.stop()
        self._opening = opening
        self._work = TurnByTurn(steps, lambda error: self._ended(error, failure), self._say)
        self.space.changed()

    def forget(self) -> None:
        """The scene closes."""
        self.stop()
        self.ui.regionLabel.text = ""

    def stop(self) -> None:
        """Leave what is being shown as it is: something else is to be shown, or the scene closes."""
        if self.showing:
            self._work.stop()

    def _say(self, said: str) -> None:
        if self._opening:
            self.ui.regionLabel.text = _("Opening the case: {part}").format(part=said)

    def _ended(self, error: Exception | None, failure: str) -> None:
        if self._opening:
            self.ui.regionLabel.text = _HINT if error is None else ""
        if error is not None:
            with told_to_user(failure):
                raise error
        self.space.changed()

    # What the user does

    def on_show(self, *_unused) -> None:
        """Show the case again as it was first shown."""
        if self.space.parameters.caseShown:
            self._begin(self._show(self.space.parameters.caseShown, fit=True), _("The case could not be shown."))

    def on_case(self, *_unused) -> None:
        """Show the case chosen in the list."""
        chosen = self.ui.caseCombo.itemData(self.ui.caseCombo.currentIndex)
        if self._busy or not chosen or chosen == self.space.parameters.caseShown:
            return
        case = case_in_scene(chosen)
        if case is not None:
            self._choose(case)
            self.on_show()
        self.space.changed()

    def on_overlay(self, *_unused) -> None:
        """Colour the slices by the overlay chosen in the list."""
        key = self.ui.overlayCombo.itemData(self.ui.overlayCombo.currentIndex)
        if self._busy or key == self.space.parameters.overlay:
            return
        self.space.parameters.overlay = key
        if self.space.parameters.caseShown:
            self._begin(self._show(self.space.parameters.caseShown), _("The overlay could not be shown."))

    def on_opacity(self, *_unused) -> None:
        """Follow the opacity slider."""
        if self.space.parameters is not None and self.space.parameters.caseShown:
            set_overlay_opacity(self.ui.opacitySlider.value / 100.0)

    def on_row(self, *_unused) -> None:
        """Jump to the region of the chosen row and say all that is known of it."""
        if self._busy:
            return
        row = self.ui.resultsTable.currentRow()
        item = self.ui.resultsTable.item(row, 0)
        case = case_in_scene(self.space.parameters.caseShown)
        if item is None or case is None:
            return
        region = next((r for r in case.rows if r.region == item.text()), None)
        if region is not None:
            jump_to_region(case.case_id, region.label)
            self.ui.regionLabel.text = describe(case, region)

    # Showing the state

    def refresh(self) -> bool:
        """Show the state; returns whether there is a case to look at."""
        parameters = self.space.parameters
        case = case_in_scene(parameters.caseShown) if parameters.caseShown else None
        self._busy = True
        try:
            _choose(self.ui.caseCombo, [(f"sub-{name}", name) for name in case_nodes.case_ids()], parameters.caseShown)
            overlays = overlays_of(case) if case else []
            key = overlay_by_key(case, parameters.overlay).key if case else ""
            _choose(self.ui.overlayCombo, [(overlay.title, overlay.key) for overlay in overlays], key)
            self._fill(case)
        finally:
            self._busy = False
        self.ui.answerLabel.text = " ".join(filter(None, (reading.simulated(case), case.answer))) if case else ""
        self.ui.reasonsLabel.text = reasons_of(case) if case else ""
        self.ui.warningsLabel.text = _words_of_caution(case) if case else ""
        for label in (self.ui.answerLabel, self.ui.reasonsLabel):
            label.visible = bool(label.text)
        for row in (self.ui.caseRow, self.ui.overlayRow):
            row.enabled = not (self.showing and self._opening)
        return case is not None

    def _fill(self, case: CaseFolder | None) -> None:
        state = (case.case_id, case.rows, self.space.parameters.overlay) if case else ()
        # NaN never equals itself: compare as text.
        if repr(state) == repr(self._filled):
            return
        self._filled = state
        table = self.ui.resultsTable
        table.sortingEnabled = False
        table.rowCount = len(case.rows) if case else 0
        if case:
            self._fill_rows(case)
        table.sortingEnabled = True
        table.resizeColumnsToContents()
        self.ui.regionLabel.text = _HINT if case else ""

    def _fill_rows(self, case: CaseFolder) -> None:
        table, columns = self.ui.resultsTable, columns_of(case)
        table.columnCount = len(columns)
        table.setHorizontalHeaderLabels([title for title, _meaning in columns])
        for column, (_title, meaning) in enumerate(columns):
            table.horizontalHeaderItem(column).setToolTip(meaning)
        overlay = overlay_by_key(case, self.space.parameters.overlay)
        scale = overlay.scale
        for index, (row, cells) in enumerate(zip(case.rows, rows_of(case), strict=True)):
            for column, value in enumerate(cells):
                item = qt.QTableWidgetItem()
                item.setData(qt.Qt.DisplayRole, value)
                item.setToolTip(row.reason)
                table.setItem(index, column, item)
            if row.label in overlay.values or not row.estimable:
                rgb = scale.rgb(overlay.values[row.label]) if row.label in overlay.values else NOT_ESTIMABLE_RGB
                red, green, blue = (round(255 * c) for c in rgb)
                first = table.item(index, 0)
                first.setBackground(qt.QBrush(qt.QColor(red, green, blue)))
                dark = 0.3 * red + 0.6 * green + 0.1 * blue < 128
                first.setForeground(qt.QBrush(qt.QColor(255, 255, 255) if dark else qt.QColor(0, 0, 0)))


def _choose(combo, entries: list[tuple[str, str]], key: str) -> None:
    """Make the entries (text, data) those of a combo box, and choose one by its data."""
    if [(combo.itemText(i), combo.itemData(i)) for i in range(combo.count)] != entries:
        combo.clear()
        for text, data in entries:
            combo.addItem(text, data)
    combo.currentIndex = combo.findData(key)


def _words_of_caution(case: CaseFolder) -> str:
    lines = [_("Research use only. Not a diagnosis, not for treatment decisions.")]
    if case.calibration != "local":
        lines.append(
            _("Not calibrated to this scanner: read only differences within this brain, each beside its healthy range.")
        )
    if case.facts.get("qc") not in (None, "pass"):
        lines.append(_("Quality check: {verdict}.").format(verdict=case.facts["qc"]))
    return "\n".join(dict.fromkeys([*lines, *case.warnings]))
