"""Run inside real Slicer: opens both modules, installs packages, runs the demonstration case and looks at the result.

    Slicer --no-splash --additional-module-paths RegionalBrainAge RegionalBrainAgeCohort \
           --python-script Testing/slicer/real_slicer_smoke.py OUT_DIR

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

CHECKS = []


def check(function):
    """A function that raises when what it looks at is wrong."""
    CHECKS.append(function)
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
def a_saved_scene_comes_back(out):
    widget = slicer.modules.RegionalBrainAgeWidget
    shown = widget.parameters.caseShown
    path = str(Path(out) / "scene.mrb")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(path)
    slicer.app.processEvents()
    assert widget.parameters.caseShown == shown
    assert widget.ui.resultsTable.rowCount == 18
    overlays = [v for v in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "PAD" in v.GetName()]
    assert overlays
    assert np.isfinite(slicer.util.arrayFromVolume(overlays[0])).all()


def main() -> None:
    out = Path(sys.argv[-1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for function in CHECKS:
        start = time.monotonic()
        try:
            function(out)
            print(f"ok    {function.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:  # every check is run and told
            failed += 1
            print(f"FAIL  {function.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"SMOKE VERDICT: {'FAIL' if failed else 'PASS'} ({len(CHECKS) - failed} of {len(CHECKS)})", flush=True)
    slicer.util.exit(1 if failed else 0)


main()
