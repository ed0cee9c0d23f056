"""The results section: tables, figures, coefficients on the brain, report."""

from __future__ import annotations

import json
from pathlib import Path

import qt
import slicer
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import open_table
from RegionalBrainAgeSlicer.messages import show_error, told_to_user
from RegionalBrainAgeSlicer.work.background_run import BackgroundRun, Outcome
from RegionalBrainAgeSlicer.work.chunked_work import TurnByTurn
from slicer.i18n import tr as _

from .coefficient_map import CoefficientMap, maps_of, show_map
from .cohort_runs import COHORT_PROCESS

# As cohort_runs.check_table prints it.
CHECK_PREFIX = "check: "


class _Width(qt.QObject):
    """Tells when a widget has another width."""

    def __init__(self, widget, changed) -> None:
        qt.QObject.__init__(self)
        self._changed, self._last = changed, widget.width
        widget.installEventFilter(self)

    def eventFilter(self, widget, event) -> bool:
        """As Qt calls it for every event of the widget; none is taken away."""
        if event.type() == qt.QEvent.Resize and widget.width != self._last:
            self._last = widget.width
            self._changed()
        return False


class CohortResults:
    """Binds the Results section. `panel` gives `ui`, `parameters`, `launch` and `refresh()`."""

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        self.run: BackgroundRun | None = None
        self._shown = ""
        self._maps = []
        self._work: TurnByTurn | None = None
        self.ui.openButton.clicked.connect(self.on_open)
        self.ui.reportButton.clicked.connect(self.on_report)
        self.ui.resultCombo.currentIndexChanged.connect(self.on_table)
        self.ui.figureCombo.currentIndexChanged.connect(self.on_figure)
        self.ui.mapButton.clicked.connect(self.on_map)
        self._width = _Width(self.ui.figureLabel, self.on_figure)

    @property
    def folder(self) -> Path:
        """Folder of the results that are shown."""
        return Path(self.panel.parameters.resultFolder)

    def on_open(self, *_unused) -> None:
        """Ask for the folder of an analysis and show its results."""
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Open results of an analysis"))
        if path:
            self.open(Path(path))

    def open(self, folder: Path) -> None:
        """Show the results in a folder."""
        with told_to_user(_("The results could not be opened.")):
            if not (folder / "analysis.json").exists():
                raise InputError(
                    _("The folder {folder} holds no finished analysis.").format(folder=folder),
                    _("Choose an output folder of this module, or run the analysis."),
                )
            self._shown = ""
            self.panel.parameters.resultFolder = str(folder)
        self.panel.refresh()

    def refresh(self) -> None:
        """Show the folder of the parameter node."""
        shown = self.panel.parameters.resultFolder
        self.ui.reportButton.enabled = bool(shown) and (self.folder / "report.html").exists()
        if shown == self._shown:
            return
        self._shown = shown
        tables = sorted(self.folder.glob("*.tsv")) if shown else []
        figures = sorted((self.folder / "figures").glob("*.[sp][vn]g")) if shown else []
        self._fill(self.ui.resultCombo, tables)
        self._fill(self.ui.figureCombo, figures)
        self._maps = maps_of(self.folder) if shown else []
        self.ui.mapCombo.clear()
        for chosen in self._maps:
            self.ui.mapCombo.addItem(chosen.title)
        self.ui.mapButton.enabled = bool(self._maps)
        self.on_table()
        self.on_figure()

    @staticmethod
    def _fill(combo, paths: list[Path]) -> None:
        combo.clear()
        for path in paths:
            combo.addItem(path.stem, str(path))

    def on_table(self, *_unused) -> None:
        """Show the table chosen in the list."""
        path = self.ui.resultCombo.itemData(self.ui.resultCombo.currentIndex)
        table = self.ui.resultTable
        table.sortingEnabled = False
        table.rowCount = 0
        if not path or not Path(path).exists():
            return
        with told_to_user(_("The table could not be opened.")):
            found = open_table(path)
            self._show_rows(found.header, [list(row.cells.values()) for row in found.rows()])

    def _show_rows(self, header: tuple[str, ...], rows: list[list[str]]) -> None:
        table = self.ui.resultTable
        table.columnCount = len(header)
        table.rowCount = len(rows)
        table.setHorizontalHeaderLabels(list(header))
        for index, row in enumerate(rows):
            for column, text in enumerate(row):
                item = qt.QTableWidgetItem()
                item.setData(qt.Qt.DisplayRole, _value(text))
                table.setItem(index, column, item)
        table.sortingEnabled = True
        table.resizeColumnsToContents()

    def on_figure(self, *_unused) -> None:
        """Show the figure chosen in the list."""
        path = self.ui.figureCombo.itemData(self.ui.figureCombo.currentIndex)
        label = self.ui.figureLabel
        label.pixmap = qt.QPixmap()
        if path and Path(path).exists():
            picture = qt.QPixmap(path)
            width = max(1, min(picture.width(), label.width))
            label.pixmap = picture.scaledToWidth(width, qt.Qt.SmoothTransformation)

    def on_report(self, *_unused) -> None:
        """Open the report in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.folder / "report.html")))

    # The template's regions are written once, in the background

    def on_map(self, *_unused) -> None:
        """Show the chosen map; the template is prepared first if it is not there yet."""
        template = self.folder / "template"
        if (template / "template_regions.json").exists():
            self._show_map()
            return
        with told_to_user(_("The template could not be prepared.")):
            self.ui.mapNote.text = _("Preparing the template")
            self.ui.mapButton.enabled = False
            self.run = BackgroundRun(
                lambda *_x: None, self._on_template, launch=self.panel.launch, script=COHORT_PROCESS
            )
            self.run.start(["template", str(template)])

    def _on_template(self, outcome: Outcome) -> None:
        self.run = None
        self.ui.mapButton.enabled = True
        self.ui.mapNote.text = outcome.message
        if outcome.succeeded:
            self._show_map()
        elif not outcome.cancelled:
            show_error(_("The template could not be prepared.\n\n{text}").format(text=outcome.message), outcome.details)

    def _show_map(self) -> None:
        chosen = self._maps[self.ui.mapCombo.currentIndex]
        self.stop()
        steps = show_map(chosen, self.folder / "template")
        self._work = TurnByTurn(steps, lambda error: self._map_shown(chosen, error))

    def _map_shown(self, chosen: CoefficientMap, error: Exception | None) -> None:
        if error is not None:
            with told_to_user(_("The map could not be shown.")):
                raise error
            return
        self.ui.mapNote.text = _(
            "Ipsilesional values are painted on the template's left hemisphere (in axial and coronal slices seen on "
            "the right), contralesional values on its right hemisphere. "
            "{count} of {total} coefficients have a corrected p below 0.05."
        ).format(count=len(chosen.significant), total=len(chosen.values))

    @property
    def showing(self) -> bool:
        """Whether a map is being shown, piece by piece."""
        return self._work is not None and self._work.running

    def stop(self) -> None:
        """The scene closes, or another map is wanted."""
        if self.showing:
            self._work.stop()


def read_check(lines: tuple[str, ...]) -> dict:
    """What ``cohort-check`` said."""
    line = next(line for line in reversed(lines) if line.startswith(CHECK_PREFIX))
    return json.loads(line.removeprefix(CHECK_PREFIX))


def _value(text: str):
    """A number in four digits, which the file holds in full, or the text."""
    try:
        return float(f"{float(text):.4g}")
    except ValueError:
        return text
