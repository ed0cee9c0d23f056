"""The RegionalBrainAgeCohort module: group analysis of many processed cases."""

from __future__ import annotations

import json
from pathlib import Path

import qt
import slicer
import vtk
from RegionalBrainAgeCohortSlicer.cohort_parameters import (
    MOTOR_SCALES,
    RegionalBrainAgeCohortParameterNode,
    settings_of,
)
from RegionalBrainAgeCohortSlicer.cohort_results import CHECK_PREFIX, CohortResults, read_check
from RegionalBrainAgeCohortSlicer.cohort_runs import COHORT_PROCESS
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeSlicer.console import ConsoleMixin
from RegionalBrainAgeSlicer.messages import show_error, told_to_user
from RegionalBrainAgeSlicer.steps.folding import Folding
from RegionalBrainAgeSlicer.work import packages
from RegionalBrainAgeSlicer.work.background_run import BackgroundRun, Outcome
from RegionalBrainAgeSlicer.work.paths import PathFields, given
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class RegionalBrainAgeCohort(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Regional Brain Age Cohort")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Neuroimaging")]
        parent.dependencies = ["RegionalBrainAge"]
        parent.contributors = ["RegionalBrainAge contributors"]
        parent.helpText = _(
            "Mixed models, classifiers and structural equation models over many cases of Regional Brain Age. "
            "Research use only. Not approved for clinical use. Not a diagnosis, not for treatment decisions."
        )
        parent.acknowledgementText = _("The README says which choices are defaults of this software.")


class RegionalBrainAgeCohortWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: data, choices, run, results. State lives in the parameter node."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.parameters = self.run = None
        self._gui_tag = None
        self._refreshing = False
        self._folding = Folding()
        # Another way to start processes, for tests; None: slicer.util.launchConsoleProcess.
        self.launch = None

    def setup(self) -> None:
        """Build the panel when it is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        ui_widget = slicer.util.loadUI(self.resourcePath("UI/RegionalBrainAgeCohort.ui"))
        self.layout.addWidget(ui_widget)
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        ui_widget.setMRMLScene(slicer.mrmlScene)
        self.logic = RegionalBrainAgeCohortLogic()
        import ctk

        self.ui.outputPath.filters = ctk.ctkPathLineEdit.Dirs
        self.ui.findingsTable.columnCount = 2
        self.ui.findingsTable.setHorizontalHeaderLabels([_("Level"), _("Finding")])
        self.paths = PathFields(self.ui, lambda: self.parameters)
        self.results = CohortResults(self)
        self.ui.checkButton.clicked.connect(self.on_check)
        self.ui.runButton.clicked.connect(self.on_run)
        self.ui.cancelButton.clicked.connect(self.on_cancel)
        self.ui.modelText.textChanged.connect(self.on_model_text)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.on_scene_start_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.on_scene_end_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.on_scene_start_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.on_scene_end_import)
        self.set_parameter_node(self.logic.getParameterNode())

    def enter(self) -> None:
        """The user opens the module."""
        if self.parameters is None:
            self.set_parameter_node(self.logic.getParameterNode())
        self.refresh()

    def exit(self) -> None:
        """The user opens another module. A run goes on in the background."""

    def cleanup(self) -> None:
        """The application closes: nothing of ours goes on."""
        for run in (self.run, self.results.run):
            if run is not None:
                run.abandon()
        self.results.stop()
        self.set_parameter_node(None)
        self.removeObservers()

    def on_scene_start_close(self, caller=None, event=None) -> None:
        """Stop drawing and let go of the parameter node."""
        self.results.stop()
        self.set_parameter_node(None)

    def on_scene_end_close(self, caller=None, event=None) -> None:
        """Begin with the new scene's parameter node."""
        if self.parent.isEntered and not slicer.mrmlScene.IsBatchProcessing():
            self.set_parameter_node(self.logic.getParameterNode())

    def on_scene_end_import(self, caller=None, event=None) -> None:
        """Take over the parameters of the scene that was read."""
        # Widgets follow when the application has processed the import.
        qt.QTimer.singleShot(0, self.on_scene_end_close)

    def set_parameter_node(self, parameters) -> None:
        """Bind to another parameter node, or to none while the scene closes."""
        if self.parameters is not None:
            self.parameters.disconnectGui(self._gui_tag)
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh)
        self.parameters = parameters
        if parameters is not None:
            self.ui.modelText.plainText = parameters.modelText
            self._gui_tag = parameters.connectGui(self.ui)
            # After the wrapper's own observers, whatever order VTK keeps among equals: they bring values and fields.
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh, priority=-1.0)
            self.refresh()

    def on_model_text(self, *_unused) -> None:
        """Keep the typed path model in the scene."""
        if self.parameters is not None and self.parameters.modelText != self.ui.modelText.plainText:
            self.parameters.modelText = self.ui.modelText.plainText

    @property
    def running(self) -> bool:
        """Whether an analysis is at work."""
        return self.run is not None and self.run.running

    def refresh(self, caller=None, event=None) -> None:
        """Show the state of every section."""
        if self.parameters is None or self._refreshing:
            return
        self._refreshing = True
        try:
            has_table = self.parameters.tableFile.is_file()
            self.ui.checkButton.enabled = has_table and not self.running
            self.ui.runButton.enabled = has_table and not self.running
            self.ui.cancelButton.enabled = self.running
            self.ui.motorScaleSpin.enabled = not MOTOR_SCALES[self.parameters.motorName]
            self.ui.pathModelCombo.enabled = not self.parameters.modelText.strip()
            if not has_table:
                self.ui.dataLabel.text = _("Choose a table of cases (processed_cases.csv).")
            self.results.refresh()
            has_results = bool(self.parameters.resultFolder)
            self._folding.open(self.ui.dataSection, not (self.running or has_results))
            self._folding.open(self.ui.choicesSection, has_table and not (self.running or has_results))
            self._folding.open(self.ui.runSection, has_table and (self.running or not has_results))
            self._folding.open(self.ui.resultsSection, has_results)
            self.paths.show()
        finally:
            self._refreshing = False

    # Data check

    def on_check(self, *_unused) -> None:
        """Read the table in the background and list what was found."""
        with told_to_user(_("The table could not be checked.")):
            self._need_packages()
            self.ui.dataLabel.text = _("Reading the table")
            self._start(["cohort-check", str(self.parameters.tableFile), json.dumps(settings_of(self.parameters))],
                        self._on_checked)  # fmt: skip
        self.refresh()

    def _on_checked(self, outcome: Outcome) -> None:
        self.run = None
        self.ui.dataLabel.text = outcome.message
        if outcome.succeeded:
            said = read_check(outcome.output)
            self.ui.dataLabel.text = _(
                "{usable} of {read} cases can be used, from {sites} sites; networks: {networks}."
            ).format(
                usable=said["usable"], read=said["read"], sites=said["sites"], networks=", ".join(said["networks"])
            )
            self._list(said["findings"] + [[_("left out"), ": ".join(row)] for row in said["left_out"]])
        elif not outcome.cancelled:
            show_error(_("The table cannot be used.\n\n{text}").format(text=outcome.message), outcome.details)
        self.refresh()

    def _list(self, findings: list[list[str]]) -> None:
        table = self.ui.findingsTable
        table.rowCount = len(findings)
        for index, (level, sentence) in enumerate(findings):
            table.setItem(index, 0, qt.QTableWidgetItem(level))
            table.setItem(index, 1, qt.QTableWidgetItem(sentence))
        table.resizeColumnsToContents()

    # The analysis

    def on_run(self, *_unused) -> None:
        """Start the analysis in the background."""
        with told_to_user(_("The analysis could not be started.")):
            self._need_packages()
            out_dir = given(self.parameters.outputFolder)
            if out_dir is None:
                raise InputError(_("There is no output folder."), _("Choose one in the section Choices."))
            out_dir.mkdir(parents=True, exist_ok=True)
            settings = out_dir / "settings.json"
            settings.write_text(json.dumps(settings_of(self.parameters), indent=2) + "\n", encoding="utf-8")
            self.ui.logText.plainText = ""
            self.ui.progressBar.value = 0
            self._start(["cohort", str(self.parameters.tableFile), "--out", str(out_dir), "--settings", str(settings)],
                        lambda outcome: self._on_finished(outcome, out_dir))  # fmt: skip
        self.refresh()

    def _on_finished(self, outcome: Outcome, out_dir: Path) -> None:
        self.run = None
        self.ui.progressBar.value = 100 if outcome.succeeded else 0
        self.ui.progressLabel.text = outcome.message or _("Done: {folder}").format(folder=out_dir)
        if outcome.succeeded:
            if self.parameters is not None:
                self.results.open(out_dir)
        elif not outcome.cancelled:
            show_error(_("The analysis failed.\n\n{text}").format(text=outcome.message), outcome.details)
        self.refresh()

    def on_cancel(self, *_unused) -> None:
        """Ask the analysis to end."""
        if self.run is not None:
            self.ui.progressLabel.text = _("Cancelling")
            self.run.cancel()

    def _start(self, arguments: list[str], on_finished) -> None:
        self.run = BackgroundRun(
            self._on_progress, on_finished, self._on_line, launch=self.launch, script=COHORT_PROCESS
        )
        self.run.start(arguments)

    def _on_line(self, line: str) -> None:
        # What the check found is shown in the table, not as the line it came in.
        if not line.startswith(CHECK_PREFIX):
            self.ui.logText.appendPlainText(line)

    def _on_progress(self, percent: int, step: str) -> None:
        self.ui.progressBar.value = percent
        self.ui.progressLabel.text = step

    @staticmethod
    def _need_packages() -> None:
        found = packages.look()
        if not found.complete:
            raise InputError(
                _("Python packages are missing."),
                _("Install them in the module Regional Brain Age, step Estimate. {sentence}").format(
                    sentence=found.sentence()
                ),
            )


class RegionalBrainAgeCohortLogic(ConsoleMixin, ScriptedLoadableModuleLogic):
    """The bridge for scripts: `processCohort`; see `ConsoleMixin`."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self) -> RegionalBrainAgeCohortParameterNode:
        """The parameter node of this module, with typed fields."""
        return RegionalBrainAgeCohortParameterNode(super().getParameterNode())


class RegionalBrainAgeCohortTest(ScriptedLoadableModuleTest):
    """Self test inside Slicer: the panel opens."""

    def setUp(self) -> None:
        """Begin each test with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        self.test_panel_opens()

    def test_panel_opens(self) -> None:
        """The panel opens, and nothing can be run yet."""
        slicer.util.selectModule("RegionalBrainAgeCohort")
        assert not slicer.modules.RegionalBrainAgeCohortWidget.ui.runButton.enabled
        self.delayDisplay("The panel opens")
