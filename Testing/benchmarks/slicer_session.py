"""A session by clicks with a real head and the real library: pictures of every step, and what a user waits for.

    python Testing/benchmarks/slicer_session.py OUT_DIR [--data PATH_TO_DATA]

Needs the shared data folder. The head is healthy; a real lesion's shape is painted into it first, so that the proposal
has something to find. Prints a table: seconds of each step, the longest turn of the event loop (wall time, and CPU time
of the window's thread, which a busy machine does not change), volumes. Pictures of every step go to OUT_DIR/pictures.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np  # noqa: E402
import slicer_host  # noqa: E402
from heartbeat import Heartbeat  # noqa: E402
from PySide6 import QtCore, QtTest, QtWidgets  # noqa: E402
from shared_folder import data_folder  # noqa: E402

LESION = "bwsrsub-1011"
# Where that lesion lies.
_FROM_THE_RIGHT = (0.9, -0.6, 0.6)


def prepare(data: Path, out: Path) -> tuple[Path, Path]:
    """The head with a lesion painted in, and the lesion's true mask; made once."""
    head, truth = out / "sub-0001_T1w.nii.gz", out / "sub-0001_truth.nii.gz"
    if head.exists() and truth.exists():
        return head, truth
    from lesions_into_heads import lesion_in_head, paint_lesion, soop_lesion
    from RegionalBrainAgeLib.files.images import read_t1, write_image
    from RegionalBrainAgeLib.geometry.image import from_canonical, to_canonical
    from RegionalBrainAgeLib.head.brain_mask import extract_brain
    from RegionalBrainAgeLib.head.registration import register

    out.mkdir(parents=True, exist_ok=True)
    in_file, _warnings = read_t1(data / "heads" / "sub-0001_T1w.mgz")
    t1 = to_canonical(in_file)
    brain = extract_brain(t1)
    registration = register(t1, brain, None)
    lesion = lesion_in_head(soop_lesion(data, LESION), registration, brain)
    painted = paint_lesion(t1, lesion, brain)
    write_image(from_canonical(painted, in_file), head)
    write_image(from_canonical(lesion.like(lesion.array.astype(np.uint8)), in_file), truth)
    return head, truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--data", type=Path, default=data_folder())
    options = parser.parse_args()
    out = options.out.resolve()
    head, truth = prepare(options.data, out / "data")
    host = slicer_host.start()
    import qt
    import slicer

    _module, panel = host.open_module("RegionalBrainAge")
    ui = panel.ui
    panel.parent.show()
    ui.workingPath.setPath(str(out / "working"))
    ui.outputPath.setPath(str(out / "cohort"))
    heart = Heartbeat()

    def click(button) -> None:
        host.qt.processEvents()
        said = f"{button.objectName()}: {ui.patientMessage.text()} {ui.reviewMessage.text()}"
        assert button.isEnabled(), said
        assert button.isVisible(), said
        QtTest.QTest.mouseClick(button, QtCore.Qt.MouseButton.LeftButton)

    def write(widget, text: str) -> None:
        widget.setFocus()
        edit = widget if isinstance(widget, QtWidgets.QLineEdit) else widget.findChild(QtWidgets.QLineEdit)
        edit.selectAll()
        QtTest.QTest.keyClicks(edit, text)
        QtTest.QTest.keyClick(edit, QtCore.Qt.Key.Key_Tab)

    def step(name: str, action, until=None, timeout_s: float = 900) -> None:
        heart.restart()
        start = time.perf_counter()
        action()
        if until is not None and not host.wait(until, timeout_s):
            raise SystemExit(f"{name}: nothing happened in {timeout_s} s: {ui.progressLabel.text()}")
        tell(name, time.perf_counter() - start)

    def tell(name: str, seconds: float) -> None:
        host.wait(lambda: False, 0.05)
        heart.beat()
        print(f"{name:<28}{seconds:>9.1f} s{1000 * heart.wall_s:>9.0f} ms{1000 * heart.cpu_s:>9.0f} ms", flush=True)

    def picture(name: str, section=None) -> None:
        host.screenshot("RegionalBrainAge", out / "pictures" / f"{name}.png", look_from=_FROM_THE_RIGHT)
        if section is not None:
            path = out / "pictures" / f"slicer-{name}.png"
            host.screenshot("RegionalBrainAge", path, section=section, look_from=_FROM_THE_RIGHT)

    dialogs = QtCore.QTimer()
    dialogs.timeout.connect(_answer)
    dialogs.start(200)
    print(f"{'step':<28}{'time':>11}{'turn, wall':>12}{'CPU':>12}")
    qt.QFileDialog.answer = str(head)
    step("open head", lambda: click(ui.loadT1Button))
    write(ui.caseIdEdit, "0001")
    write(ui.ageSpin, "25.5")
    QtTest.QTest.keyClicks(ui.sexCombo, "M")
    picture("1-patient", ui.patientSection)
    step("propose a mask", lambda: click(ui.proposeButton), lambda: not panel.review.busy)
    volume = panel.parameters.t1Volume
    true_mask = _truth(host, truth)
    if panel.parameters.lesionSegmentation is None:
        print("  no proposal; the true mask is opened instead")
        qt.QFileDialog.answer = str(truth)
        step("open mask", lambda: click(ui.loadMaskButton))
    from RegionalBrainAgeSlicer.work.command_line import lesion_voxels

    proposed = lesion_voxels(panel.parameters.lesionSegmentation, volume)
    dice = 2 * (proposed & true_mask).sum() / (proposed.sum() + true_mask.sum())
    print(f"  proposal {proposed.sum() / 1000:.1f} ml, truth {true_mask.sum() / 1000:.1f} ml, Dice {dice:.2f}")
    place = _centre(volume, true_mask)
    for view in host.slices.values():
        view.node.JumpSlice(*place)
    step("paint a stroke", lambda: _stroke(host, click, ui, place), lambda: not panel.review.timer.isActive())
    print(f"  {ui.measuresLabel.text()}")
    before = time.thread_time()
    panel.review.on_measure()
    print(f"  volume, side and loads after a stroke: {1000 * (time.thread_time() - before):.0f} ms CPU")
    picture("2-review", ui.reviewSection)
    write(ui.reviewerEdit, "Dr Example")
    step("approve", lambda: click(ui.approveButton))
    click(ui.estimateButton)
    ended = lambda: not panel.estimate.running  # noqa: E731
    step("estimate, first half", lambda: None, lambda: ui.progressBar.value() >= 50 or ended())
    picture("3-estimate", ui.estimateSection)
    step("estimate, to the end", lambda: None, ended)
    step("show the result", lambda: None, lambda: not panel.results.showing)
    print(f"  {ui.progressLabel.text()}")
    print(f"  {ui.warningsLabel.text()}")
    picture("4-results", ui.resultsSection)
    for key in ("load", "width", "thickness", "reading"):
        choose = lambda key=key: ui.overlayCombo.setCurrentIndex(ui.overlayCombo.findData(key))  # noqa: E731
        step(f"overlay {key}", choose, lambda: not panel.results.showing)
        picture(f"4-results-{key}")
    step("save", lambda: click(ui.saveButton))
    picture("5-save")
    print(f"  {ui.savedLabel.text()}")
    step("save the scene", lambda: slicer.util.saveScene(str(out / "scene")))
    step("close the scene", lambda: slicer.mrmlScene.Clear(0))
    scene_file = next((out / "scene").rglob("*.mrml"))
    step("open the scene", lambda: slicer.util.loadScene(str(scene_file)))
    picture("6-scene-again")
    slicer.mrmlScene.Clear(0)
    ui.resultsSection.collapsed = False
    qt.QFileDialog.answer = str(out / "cohort" / "sub-0001")
    step("open the case again", lambda: click(ui.openCaseButton), lambda: not panel.results.showing)
    picture("7-case-again")
    host.close_module("RegionalBrainAge")


def _answer() -> None:
    """Tell what a message box says and close it."""
    box = QtWidgets.QApplication.activeModalWidget()
    if isinstance(box, QtWidgets.QMessageBox):
        print(f"  dialog: {box.text()}\n{box.detailedText()[-600:]}", flush=True)
        box.buttons()[0].click()


def _truth(host, path: Path) -> np.ndarray:
    import slicer

    node = host.load_volume(str(path), {"labelmap": True, "show": False, "singleFile": True})
    array = slicer.util.arrayFromVolume(node) > 0
    slicer.mrmlScene.RemoveNode(node)
    return array


def _centre(volume, mask: np.ndarray) -> np.ndarray:
    import slicer
    import vtk

    k, j, i = np.nonzero(mask)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    inside = int(np.argmin((i - i.mean()) ** 2 + (j - j.mean()) ** 2 + (k - k.mean()) ** 2))
    return (slicer.util.arrayFromVTKMatrix(matrix) @ [i[inside], j[inside], k[inside], 1.0])[:3]


def _stroke(host, click, ui, place) -> None:
    click(ui.editorHolder.findChild(QtWidgets.QToolButton, "PaintEffect"))
    for offset in (0.0, 3.0, 6.0):
        host.click_in_slice("Red", np.asarray(place) + np.array([offset, 0.0, 0.0]))


if __name__ == "__main__":
    main()
