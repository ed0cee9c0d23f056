"""The RegionalBrainAge module: brain age of functional regions from a head with a stroke lesion."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

import qt
import slicer
from RegionalBrainAgeSlicer.console import ConsoleMixin
from RegionalBrainAgeSlicer.parameters import RegionalBrainAgeParameterNode
from RegionalBrainAgeSlicer.scene import case_nodes
from RegionalBrainAgeSlicer.steps.estimate_step import EstimateStep
from RegionalBrainAgeSlicer.steps.patient_step import PatientStep
from RegionalBrainAgeSlicer.steps.results_step import ResultsStep
from RegionalBrainAgeSlicer.steps.review_step import ReviewStep
from RegionalBrainAgeSlicer.steps.save_step import SaveStep
from RegionalBrainAgeSlicer.work.paths import given, show_no_path_as_empty
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

_SELF_TEST_WITH_CASE = os.environ.get("REGIONAL_BRAIN_AGE_SELFTEST") == "case"


class RegionalBrainAge(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Regional Brain Age")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Neuroimaging")]
        parent.dependencies = []
        parent.contributors = ["RegionalBrainAge contributors"]
        parent.helpText = _(
            "Review a stroke lesion on a T1-weighted head and see the brain age of eighteen functional regions. "
            "Research use only. Not approved for clinical use. Not a diagnosis, not for treatment decisions."
        )
        parent.acknowledgementText = _(
            "The method follows Park and colleagues (ENIGMA Stroke Recovery); see the README for what is reproduced."
        )
        slicer.app.connect("startupCompleted()", register_terminology)


def register_terminology() -> None:
    """Make the shipped terminology of stroke lesions known to the Segment Editor."""
    folder = Path(__file__).resolve().parent / "Resources" / "Terminologies"
    logic = slicer.modules.terminologies.logic()
    for name in ("RegionalBrainAge-lesion.term.json", "RegionalBrainAge-brain.term.json"):
        logic.LoadContextFromFile(str(folder / name))


class RegionalBrainAgeWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: five steps that open as they become possible. State lives in the parameter node."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameters = None
        self._gui_tag = None
        self._refreshing = False
        self._possible = {}
        # Another way to start processes, for tests; None: slicer.util.launchConsoleProcess.
        self.launch = None

    def setup(self) -> None:
        """Build the panel when it is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        ui_widget = slicer.util.loadUI(self.resourcePath("UI/RegionalBrainAge.ui"))
        self.layout.addWidget(ui_widget)
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        ui_widget.setMRMLScene(slicer.mrmlScene)
        self.logic = RegionalBrainAgeLogic()
        import ctk

        for name in ("freesurferPath", "wheelsPath", "modelPath", "workingPath", "outputPath"):
            getattr(self.ui, name).filters = ctk.ctkPathLineEdit.Dirs
        self.patient, self.review = PatientStep(self), ReviewStep(self)
        self.estimate, self.results, self.save = EstimateStep(self), ResultsStep(self), SaveStep(self)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.on_scene_start_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.on_scene_end_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.on_scene_end_import)
        self.use_parameter_node()

    def enter(self) -> None:
        """The user opens the module."""
        self.use_parameter_node()
        self.review.enter()
        self.estimate.enter()
        self.refresh()

    def exit(self) -> None:
        """The user opens another module. A run goes on in the background."""
        self.review.exit()

    def cleanup(self) -> None:
        """The application closes: nothing of ours goes on."""
        self.estimate.abandon()
        self.results.stop()
        self.review.release()
        self.set_parameter_node(None)
        self.removeObservers()

    def on_scene_start_close(self, caller=None, event=None) -> None:
        for step in (self.results, self.estimate, self.save):
            step.forget()
        self.review.release()
        self.set_parameter_node(None)

    def on_scene_end_close(self, caller=None, event=None) -> None:
        if self.parent.isEntered:
            self.use_parameter_node()
            self.review.enter()
            self.refresh()

    def on_scene_end_import(self, caller=None, event=None) -> None:
        self.on_scene_end_close()
        if self.parameters is not None:
            # After the import: results add nodes of their own.
            qt.QTimer.singleShot(0, self.estimate.resume)

    def use_parameter_node(self) -> None:
        """Bind the panel to the scene's parameter node."""
        self.set_parameter_node(self.logic.getParameterNode())
        if self.parameters.t1Volume is None:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            heads = [v for v in volumes if v.GetClassName() == "vtkMRMLScalarVolumeNode" and not case_nodes.is_made(v)]
            if len(heads) == 1:
                self.parameters.t1Volume = heads[0]

    def set_parameter_node(self, parameters) -> None:
        """Bind to another parameter node, or to none while the scene closes."""
        import vtk

        if self.parameters is not None:
            self.parameters.disconnectGui(self._gui_tag)
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh)
        self.parameters = parameters
        if parameters is not None:
            self._gui_tag = parameters.connectGui(self.ui)
            # After the wrapper's own observers, whatever order VTK keeps among equals: they bring values and fields.
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh, priority=-1.0)
            self.refresh()

    def refresh(self, caller=None, event=None) -> None:
        """Show the state of every step; a step is enabled when those before it are done."""
        if self.parameters is None or self._refreshing:
            return
        self._refreshing = True
        try:
            patient_done = self.patient.refresh()
            review_done = self.review.refresh(patient_done)
            has_case = self.results.refresh()
            self.estimate.refresh(patient_done and review_done)
            self.save.refresh(has_case)
            self._open_section(self.ui.reviewSection, patient_done)
            self._open_section(self.ui.estimateSection, (patient_done and review_done) or self.estimate.running)
            self._open_section(self.ui.saveSection, has_case)
            show_no_path_as_empty(self.ui)
        finally:
            self._refreshing = False

    def _open_section(self, section, possible: bool) -> None:
        """Open a step when it becomes possible, close it when it no longer is; between, the user decides."""
        if self._possible.get(section) != possible:
            self._possible[section] = possible
            section.collapsed = not possible

    # Where things lie

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
        """Where heads and masks lie that the background run reads."""
        return self.working_folder() / "inputs"


class RegionalBrainAgeLogic(ConsoleMixin, ScriptedLoadableModuleLogic):
    """The bridge for scripts and the Python console: `processCase`, `processCohort`, `openCase`; see `ConsoleMixin`."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self) -> RegionalBrainAgeParameterNode:
        return RegionalBrainAgeParameterNode(super().getParameterNode())


class RegionalBrainAgeTest(ScriptedLoadableModuleTest):
    """Self test inside Slicer: the panel opens, and with REGIONAL_BRAIN_AGE_SELFTEST=case a demonstration case runs."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_panel_opens()
        if _SELF_TEST_WITH_CASE:
            self.setUp()
            self.test_demonstration_case_is_shown()

    def test_panel_opens(self) -> None:
        slicer.util.selectModule("RegionalBrainAge")
        widget = slicer.modules.RegionalBrainAgeWidget
        assert widget.parameters is not None
        assert not widget.ui.estimateButton.enabled
        self.delayDisplay("The panel opens")

    @unittest.skipUnless(_SELF_TEST_WITH_CASE, "needs the Python packages; set REGIONAL_BRAIN_AGE_SELFTEST=case")
    def test_demonstration_case_is_shown(self) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            case = RegionalBrainAgeLogic().processDemo(folder)
            assert len(case.rows) == 18
            assert case_nodes.find(case.case_id, "overlay") is not None
        self.delayDisplay("A demonstration case runs and is shown")
