"""The RegionalBrainAge module: brain age of functional regions from a head with a stroke lesion."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

import qt
import slicer
import vtk
from RegionalBrainAgeSlicer.console import ConsoleMixin
from RegionalBrainAgeSlicer.parameters import RegionalBrainAgeParameterNode
from RegionalBrainAgeSlicer.scene import case_nodes
from RegionalBrainAgeSlicer.steps.estimate_step import EstimateStep
from RegionalBrainAgeSlicer.steps.folding import Folding
from RegionalBrainAgeSlicer.steps.patient_step import PatientStep
from RegionalBrainAgeSlicer.steps.results_step import ResultsStep
from RegionalBrainAgeSlicer.steps.review_step import ReviewStep
from RegionalBrainAgeSlicer.steps.save_step import SaveStep
from RegionalBrainAgeSlicer.steps.workspace import Workspace
from RegionalBrainAgeSlicer.work.paths import PathFields
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
        slicer.app.connect("startupCompleted()", on_startup_completed)


def on_startup_completed() -> None:
    """What must be known before the first scene is opened: layouts, the terminology of lesions; and the sample head."""
    from RegionalBrainAgeSlicer.scene.sample_data import register_sample_data
    from RegionalBrainAgeSlicer.scene.slice_views import register_layouts

    register_layouts()
    register_terminology()
    register_sample_data(Path(__file__).resolve().parent / "Resources" / "Icons" / "RegionalBrainAge.png")


def register_terminology() -> None:
    """Make the shipped terminology of stroke lesions known to the Segment Editor."""
    folder = Path(__file__).resolve().parent / "Resources" / "Terminologies"
    logic = slicer.modules.terminologies.logic()
    for name in ("RegionalBrainAge-lesion.term.json", "RegionalBrainAge-brain.term.json"):
        logic.LoadContextFromFile(str(folder / name))


class RegionalBrainAgeWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: five steps that open as they become possible and fold when the next is begun.

    State lives in the parameter node. While a scene is being opened or closed the panel is bound to none.
    """

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.space = Workspace(changed=self.refresh)
        self._gui_tag = None
        self._refreshing = False
        self._folding = Folding()

    @property
    def parameters(self) -> RegionalBrainAgeParameterNode | None:
        """The parameter node in use."""
        return self.space.parameters

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
        self.paths = PathFields(self.ui, lambda: self.parameters)
        self.patient, self.review = PatientStep(self.ui, self.space), ReviewStep(self.ui, self.space)
        self.results, self.save = ResultsStep(self.ui, self.space), SaveStep(self.ui, self.space)
        self.estimate = EstimateStep(
            self.ui, self.space, lambda: self.patient.problem() or self.review.problem(), self.results.on_estimated
        )
        scene = slicer.mrmlScene
        for event, slot in (
            (scene.StartCloseEvent, self.on_scene_start_close),
            (scene.EndCloseEvent, self.on_scene_end_close),
            (scene.StartImportEvent, self.on_scene_start_import),
            (scene.EndImportEvent, self.on_scene_end_import),
            (scene.EndBatchProcessEvent, self.on_nodes_changed),
            (scene.NodeAddedEvent, self.on_nodes_changed),
            (scene.NodeRemovedEvent, self.on_nodes_changed),
        ):
            self.addObserver(scene, event, slot)
        # One refresh for many nodes that come or go together.
        self._nodes_timer = qt.QTimer()
        self._nodes_timer.setSingleShot(True)
        self._nodes_timer.timeout.connect(self.refresh)
        self.use_parameter_node()

    def enter(self) -> None:
        """The user opens the module."""
        self.use_parameter_node()
        self.review.enter()
        self.estimate.enter()
        self.estimate.resume()
        self.refresh()

    def exit(self) -> None:
        """The user opens another module. A run goes on in the background."""
        self.review.exit()

    def cleanup(self) -> None:
        """The application closes: nothing of ours goes on."""
        self._nodes_timer.stop()
        self.estimate.abandon()
        self.results.stop()
        self.review.release()
        self.set_parameter_node(None)
        self.removeObservers()

    # The scene comes and goes

    def on_scene_start_close(self, caller=None, event=None) -> None:
        """Forget the cases and let go of the editor before their nodes vanish."""
        for step in (self.results, self.estimate, self.save):
            step.forget()
        self.review.release()
        self.set_parameter_node(None)

    def on_scene_end_close(self, caller=None, event=None) -> None:
        """Begin with a new parameter node, unless another scene is on its way."""
        # A scene that is opened in place of another is closed first and read then; its end is waited for.
        if self.parent.isEntered and not slicer.mrmlScene.IsImporting():
            self.use_parameter_node()
            self.review.enter()
            self.refresh()

    def on_scene_start_import(self, caller=None, event=None) -> None:
        """Nodes without images, references not yet valid, selectors made anew: nothing of that may reach the node."""
        self.results.stop()
        self.review.release()
        self.set_parameter_node(None)

    def on_scene_end_import(self, caller=None, event=None) -> None:
        """Take over the parameters of the scene that was read."""
        # Scripts may read it at once. Fields and editor follow when the application has processed the import: until
        # then selectors are made anew, and the editor's has the last word.
        self.space.parameters = self.logic.getParameterNode()
        qt.QTimer.singleShot(0, self.on_scene_imported)

    def on_scene_imported(self) -> None:
        """The import has ended for everybody."""
        if slicer.mrmlScene.IsBatchProcessing():
            qt.QTimer.singleShot(0, self.on_scene_imported)
        elif self.parent.isEntered:
            self.use_parameter_node()
            self.review.enter()
            self.estimate.resume()
            self.refresh()

    def on_nodes_changed(self, caller=None, event=None) -> None:
        """Refresh the panel once, however many nodes come or go together."""
        if self._gui_tag is not None:
            self._nodes_timer.start(0)

    # The parameter node

    def use_parameter_node(self) -> None:
        """Bind the panel to the scene's parameter node."""
        if slicer.mrmlScene.IsBatchProcessing():
            return
        self.set_parameter_node(self.logic.getParameterNode())
        if self.parameters.t1Volume is None:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            heads = [v for v in volumes if v.GetClassName() == "vtkMRMLScalarVolumeNode" and not case_nodes.is_made(v)]
            if len(heads) == 1:
                self.parameters.t1Volume = heads[0]

    def set_parameter_node(self, parameters) -> None:
        """Bind to another parameter node, or to none while the scene closes."""
        if self._gui_tag is not None:
            self.parameters.disconnectGui(self._gui_tag)
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh)
            self._gui_tag = None
        self.space.parameters = parameters
        if parameters is not None:
            self._hide_made_volumes()
            self._gui_tag = parameters.connectGui(self.ui)
            # After the wrapper's own observers, whatever order VTK keeps among equals: they bring values and fields.
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh, priority=-1.0)
            self.refresh()

    def _hide_made_volumes(self) -> None:
        """The selector offers heads, not overlays: it would choose one when the head is removed."""
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        hidden = sorted(volume.GetID() for volume in volumes if case_nodes.is_made(volume))
        proxy = self.ui.t1Selector.sortFilterProxyModel()
        if sorted(proxy.hiddenNodeIDs) != hidden:
            proxy.hiddenNodeIDs = hidden

    def refresh(self, caller=None, event=None) -> None:
        """Show the state of every step; a step is enabled when those before it are done."""
        if self._gui_tag is None or self._refreshing or slicer.mrmlScene.IsBatchProcessing():
            return
        self._refreshing = True
        try:
            self._hide_made_volumes()
            if self.patient.follow_head():
                self.review.patient_changed()
            patient_done = self.patient.refresh()
            review_done = self.review.refresh(patient_done)
            has_case = self.results.refresh()
            ready = patient_done and review_done
            self.estimate.refresh(ready)
            self.save.refresh(has_case)
            begun = self.estimate.running or has_case
            reviewing = patient_done and (self.review.begun or begun)
            self._folding.open(self.ui.patientSection, not reviewing)
            self._folding.open(
                self.ui.reviewSection, patient_done and not (begun and (review_done or not self.review.begun))
            )
            self._folding.open(self.ui.estimateSection, (ready and not has_case) or self.estimate.running)
            self._folding.open(self.ui.resultsSection, has_case)
            self._folding.open(self.ui.saveSection, has_case)
            self.paths.show()
        finally:
            self._refreshing = False


class RegionalBrainAgeLogic(ConsoleMixin, ScriptedLoadableModuleLogic):
    """The bridge for scripts and the Python console: `processCase`, `processCohort`, `openCase`; see `ConsoleMixin`."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self) -> RegionalBrainAgeParameterNode:
        """The parameter node of this module, with typed fields."""
        return RegionalBrainAgeParameterNode(super().getParameterNode())


class RegionalBrainAgeTest(ScriptedLoadableModuleTest):
    """Self test inside Slicer: the panel opens, and with REGIONAL_BRAIN_AGE_SELFTEST=case a demonstration case runs."""

    def setUp(self) -> None:
        """Begin each test with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests that were asked for."""
        self.setUp()
        self.test_panel_opens()
        if _SELF_TEST_WITH_CASE:
            self.setUp()
            self.test_demonstration_case_is_shown()

    def test_panel_opens(self) -> None:
        """The panel opens, and nothing can be estimated yet."""
        slicer.util.selectModule("RegionalBrainAge")
        widget = slicer.modules.RegionalBrainAgeWidget
        assert widget.parameters is not None
        assert not widget.ui.estimateButton.enabled
        self.delayDisplay("The panel opens")

    @unittest.skipUnless(_SELF_TEST_WITH_CASE, "needs the Python packages; set REGIONAL_BRAIN_AGE_SELFTEST=case")
    def test_demonstration_case_is_shown(self) -> None:
        """The demonstration case has a row for each of 18 regions."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            case = RegionalBrainAgeLogic().processDemo(folder)
            assert len(case.rows) == 18
            assert case_nodes.find(case.case_id, "overlay") is not None
        self.delayDisplay("A demonstration case runs and is shown")
