"""Run inside real Slicer: opens both modules, installs packages, runs the demonstration case and looks at the result.

    Slicer --no-splash --additional-module-paths "$PWD/RegionalBrainAge" "$PWD/RegionalBrainAgeCohort" \
           --python-script Testing/slicer/real_slicer_smoke.py OUT_DIR

and then, in a second process, what a scene saved by the first one looks like when it is opened:

    Slicer ... --python-script Testing/slicer/real_slicer_smoke.py OUT_DIR --second-process

Prints one line per check and at the end ``SMOKE VERDICT: PASS`` or ``SMOKE VERDICT: FAIL``. See SLICER_SMOKE.md.
"""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

import numpy as np
import qt
import slicer
import vtk

CHECKS, CHECKS_OF_SECOND_PROCESS = [], []
SCENE = "scene.mrb"


def check(function):
    """A function that raises when what it looks at is wrong."""
    CHECKS.append(function)
    return function


def check_in_second_process(function):
    """A check that is run by a Slicer that has opened nothing before."""
    CHECKS_OF_SECOND_PROCESS.append(function)
    return function


def wait(condition, timeout_s: float) -> bool:
    """Let the application work until the condition holds."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.02)
    return bool(condition())


@check
def both_panels_open(out):
    for name in ("RegionalBrainAge", "RegionalBrainAgeCohort"):
        slicer.util.selectModule(name)
        widget = getattr(slicer.modules, f"{name}Widget")
        assert widget.parameters is not None, name
        slicer.app.processEvents()


@check
def widgets_are_bound_to_the_parameter_node(out):
    widget = slicer.modules.RegionalBrainAgeWidget
    widget.ui.ageSpin.value = 61.5
    assert widget.parameters.ageYears == 61.5
    widget.parameters.site = "ward 7"
    assert widget.ui.siteEdit.text == "ward 7"
    widget.parameters.sex = "F"
    assert widget.ui.sexCombo.currentText == "F"
    assert widget.ui.motorSpin.text == "not known"
    assert widget.ui.opacitySlider.maximum == 100
    assert widget.ui.modelPath.currentPath == "", "an empty path is shown as empty"
    widget.parameters.outputFolder = Path(out)
    assert Path(widget.ui.outputPath.currentPath) == Path(out)


@check
def clearing_a_path_field_empties_its_parameter(out):
    for name in ("RegionalBrainAge", "RegionalBrainAgeCohort"):
        slicer.util.selectModule(name)
        widget = getattr(slicer.modules, f"{name}Widget")
        fields = [w for w in vars(widget.ui).values() if hasattr(w, "currentPath")]
        assert fields, name
        for field in fields:
            parameter = field.property("SlicerParameterName")
            before = getattr(widget.parameters, parameter)
            field.currentPath = str(Path(out) / "previous")
            assert getattr(widget.parameters, parameter) == Path(out) / "previous", field.name
            field.findChild(qt.QLineEdit).clear()
            assert getattr(widget.parameters, parameter) == Path(), f"{field.name} keeps its old value"
            setattr(widget.parameters, parameter, before)


@check
def the_segment_editor_is_embedded_with_its_effects(out):
    from RegionalBrainAgeSlicer.steps.review_step import EFFECTS

    editor = slicer.modules.RegionalBrainAgeWidget.review.editor
    assert set(EFFECTS) <= set(editor.availableEffectNames()), editor.availableEffectNames()
    assert not editor.unorderedEffectsVisible


@check
def the_terminology_is_known(out):
    found = vtk.vtkStringArray()
    slicer.modules.terminologies.logic().GetLoadedTerminologyNames(found)
    names = [found.GetValue(i) for i in range(found.GetNumberOfValues())]
    assert "RegionalBrainAge lesions" in names, names


@check
def packages_install_without_a_gui_toolkit(out):
    from RegionalBrainAgeSlicer.work import packages

    found = packages.look()
    if not found.complete:
        packages.install(found)
    assert packages.look().complete, packages.look().sentence()
    import importlib.util

    assert importlib.util.find_spec("customtkinter") is None


@check
def the_demonstration_case_runs_in_the_background_of_the_console(out):
    from RegionalBrainAgeSlicer.scene import case_nodes

    case = slicer.modules.RegionalBrainAgeWidget.logic.processDemo(Path(out) / "demo")
    assert len(case.rows) == 18
    assert case_nodes.find(case.case_id, "overlay") is not None
    slicer.modules.RegionalBrainAgeWidget.parameters.caseShown = case.case_id
    assert slicer.modules.RegionalBrainAgeWidget.ui.resultsTable.rowCount == 18


@check
def plot_and_table_views_hold_nodes_after_a_case_is_opened(out):
    slicer.app.processEvents()
    plots = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    tables = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    assert any(view.GetPlotChartNodeID() for view in plots), "no plot view holds a chart"
    assert any(view.GetTableNodeID() for view in tables), "no table view holds a table"
    manager = slicer.app.layoutManager()
    assert manager.plotViewCount >= 1
    assert manager.tableViewCount >= 1
    assert manager.plotWidget(0).visible
    assert manager.tableWidget(0).visible


@check
def the_views_show_colours_and_a_legend(out):
    import ScreenCapture

    slicer.app.processEvents()
    slicer.util.mainWindow().grab().save(str(Path(out) / "views.png"))
    path = str(Path(out) / "red.png")
    red_view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
    ScreenCapture.ScreenCaptureLogic().captureImageFromView(red_view, path)
    red = qt.QImage(path)
    colours = {red.pixel(x, y) & 0xFFFFFF for x in range(0, red.width(), 4) for y in range(0, red.height(), 4)}
    coloured = [c for c in colours if max(c >> 16, c >> 8 & 255, c & 255) - min(c >> 16, c >> 8 & 255, c & 255) > 60]
    assert len(coloured) > 5, "no overlay is seen in the red slice"


@check
def an_approved_lesion_goes_through_a_cancelled_run(out):
    import psutil

    widget = slicer.modules.RegionalBrainAgeWidget
    slicer.util.selectModule("RegionalBrainAge")
    parameters = widget.parameters
    parameters.t1Volume = next(
        v for v in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if v.GetName().endswith("T1")
    )
    parameters.caseId, parameters.ageYears, parameters.sex = "smoke", 60.0, "F"
    parameters.workingFolder = Path(out) / "working"
    parameters.noLesion = True
    assert widget.ui.estimateButton.enabled, widget.ui.patientMessage.text
    widget.ui.estimateButton.click()
    assert wait(lambda: widget.ui.progressBar.value > 0 or not widget.estimate.running, 180)
    assert widget.estimate.running, widget.ui.progressLabel.text
    children = psutil.Process().children(recursive=True)
    start = time.monotonic()
    widget.ui.cancelButton.click()
    assert wait(lambda: not widget.estimate.running, 5)
    assert time.monotonic() - start < 2.0
    assert not [p for p in children if p.is_running() and "library_process.py" in " ".join(p.cmdline())]
    assert not list((Path(out) / "working").glob("*sub-smoke*"))


@check
def a_second_head_does_not_keep_the_first_ones_facts(out):
    widget = slicer.modules.RegionalBrainAgeWidget
    parameters = widget.parameters
    first = parameters.t1Volume
    case_id, age = parameters.caseId, parameters.ageYears
    parameters.noLesion, parameters.approvedBy = True, "Dr Smoke"
    second = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, first, "second head")
    parameters.t1Volume = second
    assert parameters.caseId != case_id, parameters.caseId
    assert (parameters.ageYears, parameters.sex) == (0.0, "not given")
    assert (parameters.noLesion, parameters.approvedBy) == (False, "")
    assert not widget.ui.estimateButton.enabled
    parameters.t1Volume = first
    assert (parameters.caseId, parameters.ageYears, parameters.noLesion) == (case_id, age, True)
    slicer.mrmlScene.RemoveNode(second)
    slicer.app.processEvents()
    assert parameters.t1Volume is first, "another node was chosen when the second head was removed"
    offered = [widget.ui.t1Selector.nodeFromIndex(i) for i in range(widget.ui.t1Selector.nodeCount())]
    from RegionalBrainAgeSlicer.scene import case_nodes

    assert not [node.GetName() for node in offered if case_nodes.is_made(node)], "an overlay is offered as a head"


@check
def the_editor_holds_the_lesion_after_a_scene_is_opened(out):
    widget = slicer.modules.RegionalBrainAgeWidget
    parameters = widget.parameters
    parameters.noLesion = False
    widget.review.on_draw()
    lesion = parameters.lesionSegmentation
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(lesion, "Lesion", parameters.t1Volume)
    centre = [n // 2 for n in voxels.shape]
    voxels[tuple(slice(c - 5, c + 5) for c in centre)] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, lesion, "Lesion", parameters.t1Volume)
    path = str(Path(out) / "with_lesion.mrb")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(path)
    assert wait(lambda: widget.review.editor.segmentationNode() is not None, 10), "the editor is empty"
    assert widget.review.editor.segmentationNode().GetID() == widget.parameters.lesionSegmentation.GetID()
    assert widget.review.editor.sourceVolumeNode().GetID() == widget.parameters.t1Volume.GetID()


@check
def the_error_log_has_no_entry_of_a_node_removed_twice(out):
    model = slicer.app.errorLogModel()
    lines = [model.logEntryDescription(row) for row in range(model.logEntryCount())]
    (Path(out) / "error_log.txt").write_text("\n".join(lines), encoding="utf-8")
    ours = [line for line in lines if "Failed to access subject hierarchy node" in line]
    assert not ours, ours[:3]


@check
def a_saved_scene_comes_back(out):
    widget = slicer.modules.RegionalBrainAgeWidget
    shown = widget.parameters.caseShown
    path = str(Path(out) / SCENE)
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(path)
    assert wait(lambda: widget.ui.resultsTable.rowCount == 18, 10)
    assert widget.parameters.caseShown == shown
    from RegionalBrainAgeSlicer.scene import case_nodes

    overlay = case_nodes.find(shown, "overlay")
    assert overlay is not None
    assert np.isfinite(slicer.util.arrayFromVolume(overlay)).all()


@check_in_second_process
def a_scene_opened_in_a_new_slicer_shows_its_views(out):
    assert wait(lambda: slicer.app.layoutManager() is not None, 30)
    # The layouts are registered when Slicer has started.
    node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    assert wait(lambda: node.IsLayoutDescription(5418), 30), "the layout is not registered at start-up"
    slicer.util.loadScene(str(Path(out) / SCENE))
    slicer.app.processEvents()
    manager = slicer.app.layoutManager()
    assert manager.layout == 5418, manager.layout
    for name in ("Red", "Yellow", "Green"):
        assert manager.sliceWidget(name) is not None, name
        assert manager.sliceWidget(name).visible, f"the slice view {name} is not visible"
    assert manager.plotViewCount >= 1
    assert manager.plotWidget(0).visible
    assert manager.tableWidget(0).visible
    slicer.util.mainWindow().grab().save(str(Path(out) / "second_process.png"))


def main() -> None:
    second = sys.argv[-1] == "--second-process"
    out = Path(sys.argv[-2 if second else -1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    checks = CHECKS_OF_SECOND_PROCESS if second else CHECKS
    for function in checks:
        start = time.monotonic()
        try:
            function(out)
            print(f"ok    {function.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:  # every check is run and told
            failed += 1
            print(f"FAIL  {function.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"SMOKE VERDICT: {'FAIL' if failed else 'PASS'} ({len(checks) - failed} of {len(checks)})", flush=True)
    slicer.util.exit(1 if failed else 0)


main()
