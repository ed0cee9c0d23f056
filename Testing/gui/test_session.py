"""A whole session by clicks: patient, lesion, estimate, results, save; scene saved, closed, opened; case opened again.

The library's run is replaced by `fake_library.py`, a real process with the library's arguments and output, so that the
session takes seconds; `Testing/benchmarks/slicer_session.py` walks the same way with a real head and the real library.
"""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest
import slicer
from heartbeat import Heartbeat
from made_case import made_case
from PySide6 import QtCore, QtTest, QtWidgets


def test_a_whole_session_by_clicks(session, host, dialogs, tmp_path):
    ui, panel = session.ui, session.panel
    assert ui.reviewSection.isCollapsed()
    assert not ui.proposeButton.isEnabled()
    assert not ui.estimateButton.isEnabled()
    session.picture("0-empty")

    session.patient()
    assert panel.parameters.ageYears == 61.5, "a decimal survives typing"
    assert not ui.reviewSection.isCollapsed()
    assert not ui.estimateButton.isEnabled(), "not before the review"
    session.picture("1-patient")

    session.lesion()
    assert "side: left" in ui.measuresLabel.text()
    before_ml = panel.review.measures.volume_ml
    paint = ui.editorHolder.findChild(QtWidgets.QToolButton, "PaintEffect")
    session.click(paint)
    host.slices["Red"].node.JumpSlice(-30.0, 10.0, 0.0)
    host.click_in_slice("Red", (-30.0, 10.0, 0.0))
    assert host.wait(lambda: panel.review.measures.volume_ml > before_ml, 5), "the volume follows the stroke"
    assert ui.reviewMessage.text().startswith("Unreviewed")
    session.picture("2-review")

    session.approve()
    assert ui.reviewMessage.text().startswith("Approved by Dr Example")
    session.estimate()
    assert ui.cancelButton.isEnabled()
    host.wait(lambda: ui.progressBar.value() >= 60, 20)
    session.picture("3-estimate")
    session.finish()
    assert dialogs.said == []
    assert ui.progressLabel.text().startswith("sub-walk is estimated")

    assert ui.resultsTable.rowCount() == 18
    host.wait(lambda: False, 0.1)
    session.picture("4-results")
    row = next(r for r in range(18) if ui.resultsTable.item(r, 0).text() == "VIS_R")
    place = ui.resultsTable.visualItemRect(ui.resultsTable.item(row, 0)).center()
    QtTest.QTest.mouseClick(ui.resultsTable.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=place)
    for view in host.slices.values():
        matrix = view.node.GetSliceToRAS()
        centre, normal = (np.array([matrix.GetElement(i, column) for i in range(3)]) for column in (3, 2))
        assert abs((session.made.centres_ras[16] - centre) @ normal) < 2.5
    assert ui.regionLabel.text().startswith("VIS_R (contralesional): brain age")
    session.picture("4-results-row")

    session.click(ui.saveButton)
    saved = tmp_path / "cohort" / "sub-walk"
    assert saved.is_dir()
    with (tmp_path / "cohort" / "processed_cases.csv").open() as stream:
        assert [r["case_id"] for r in csv.DictReader(stream)] == ["walk"]
    review = json.loads((saved / "sub-walk_desc-lesion_review.json").read_text(encoding="utf-8"))
    assert review["reviewer"] == "Dr Example"
    assert review["lesion_volume_ml"] == pytest.approx(panel.review.measures.volume_ml, abs=0.01)
    session.picture("5-save")

    assert slicer.util.saveScene(str(tmp_path / "scene"))
    slicer.mrmlScene.Clear(0)
    assert ui.resultsTable.rowCount() == 0
    assert slicer.util.loadScene(str(next((tmp_path / "scene").rglob("*.mrml"))))
    assert panel.parameters.caseId == "walk"
    assert panel.parameters.approvedBy == "Dr Example"
    assert host.wait(lambda: ui.resultsTable.rowCount() == 18, 10)
    assert panel.parameters.lesionSegmentation is not None
    session.picture("6-scene-again")

    slicer.mrmlScene.Clear(0)
    session.choose(saved)
    session.click(ui.openCaseButton)
    session.shown()
    assert ui.resultsTable.rowCount() == 18
    assert dialogs.said == []
    session.picture("7-case-again")


def test_the_numbers_sort_as_numbers(session, host):
    session.panel.results.open(session.made.folder)
    session.shown()
    table = session.ui.resultsTable
    table.sortItems(1, QtCore.Qt.SortOrder.DescendingOrder)
    pads = [table.item(r, 1).data(QtCore.Qt.ItemDataRole.DisplayRole) for r in range(18)]
    numbers = [p for p in pads if not isinstance(p, str)]
    assert len(numbers) == 17
    assert numbers == sorted(numbers, reverse=True)


def test_the_event_loop_is_never_blocked_during_the_estimate(session, host):
    session.patient()
    session.lesion()
    session.approve()
    heart = Heartbeat()
    session.estimate()
    reached = host.wait(lambda: session.ui.progressBar.value() >= 90, 20)
    heart.stop()
    assert reached
    print(heart)
    assert heart.beats > 20, "one or two, if the window waited for the process"
    session.finish()


@pytest.fixture
def case_of_real_size(session, tmp_path):
    """The made case with volumes of 256 x 256 x 256 voxels, as a head of 1 mm has."""
    shape, geometry = (256, 256, 256), np.diag([1.0, 1.0, 1.0, 1.0])
    geometry[:3, 3] = -128.0
    labels, lesion = np.zeros(shape, np.int16), np.zeros(shape, np.uint8)
    for label, centre in session.made.centres_ras.items():
        low, high = np.rint(centre * 3.0 + 128 - 20).astype(int), np.rint(centre * 3.0 + 128 + 20).astype(int)
        labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = label
    lesion[30:70, 100:150, 110:150] = 1
    for array, ending in ((labels, "desc-regions_dseg"), (lesion, "desc-lesion_mask")):
        nib.save(nib.Nifti1Image(array, geometry), session.made.folder / f"sub-made_{ending}.nii.gz")
    return session.made.folder


def test_showing_a_case_of_real_size_leaves_the_window_alive(session, host, dialogs, case_of_real_size):
    session.patient()
    heart = Heartbeat()
    session.panel.results.open(case_of_real_size, session.panel.parameters.t1Volume)
    session.shown()
    heart.stop()
    print(heart)
    assert dialogs.said == []
    assert session.ui.resultsTable.rowCount() == 18
    assert heart.beats > 10
    assert heart.longest_share < 0.25, "in one turn it would be 1"


def test_a_scene_closed_while_a_case_is_being_opened_is_safe(session, host, dialogs, case_of_real_size):
    session.panel.results.open(case_of_real_size)
    host.wait(lambda: "regions" in session.ui.regionLabel.text(), 10)
    assert session.panel.results.showing
    slicer.mrmlScene.Clear(0)
    assert not session.panel.results.showing
    host.wait(lambda: False, 0.2)
    assert dialogs.said == []
    assert session.ui.resultsTable.rowCount() == 0
    session.panel.results.open(case_of_real_size)
    session.shown()
    assert session.ui.resultsTable.rowCount() == 18


def test_a_case_without_volumes_shows_its_table_and_plot(session, host, dialogs):
    """As estimated from a FreeSurfer folder alone."""
    made = session.made
    for path in made.folder.glob("*.nii.gz"):
        path.unlink()
    facts = json.loads((made.folder / "sub-made_case.json").read_text(encoding="utf-8"))
    facts["case"]["t1"] = None
    (made.folder / "sub-made_case.json").write_text(json.dumps(facts), encoding="utf-8")
    session.panel.results.open(made.folder)
    session.shown()
    assert dialogs.said == []
    assert session.ui.resultsTable.rowCount() == 18
    assert host.core.applicationLogic.GetSelectionNode().GetActivePlotChartID()


def test_a_lesion_segment_removed_elsewhere_is_seen_at_once(session, host, dialogs):
    """The event carries text, not an object; reading it as an object would end the application."""
    session.patient()
    session.lesion()
    assert session.panel.review.measures.volume_ml > 1
    session.panel.parameters.lesionSegmentation.GetSegmentation().RemoveSegment("Lesion")
    assert host.wait(lambda: session.panel.review.measures.volume_ml == 0, 5)
    assert session.ui.reviewMessage.text().startswith("Unreviewed")
    assert dialogs.said == []


def test_cancel_ends_all_processes_at_once_and_leaves_nothing(session, host, dialogs):
    session.behave("slow")
    session.patient()
    session.lesion()
    session.approve()
    session.estimate()
    assert host.wait(lambda: session.ui.progressBar.value() == 20, 20)
    host.wait(lambda: len(psutil.Process(session.process.pid).children()) == 1, 10)
    tree = [psutil.Process(session.process.pid), *psutil.Process(session.process.pid).children(recursive=True)]
    assert len(tree) == 2
    start = time.perf_counter()
    session.click(session.ui.cancelButton)
    assert session.panel.estimate.running, "the click itself does not wait"
    alive = lambda: [p for p in tree if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]  # noqa: E731
    assert host.wait(lambda: not alive() and not session.panel.estimate.running, 30)
    print(f"cancelled in {time.perf_counter() - start:.2f} s")  # left alone, the process ends after 60 s
    left = [p.name for p in (session.folder / "working").iterdir() if p.name != "inputs"]
    assert left == []
    assert session.ui.progressLabel.text() == "Cancelled. No result was written."
    assert session.ui.estimateButton.isEnabled()
    assert dialogs.said == []


def test_a_scene_closed_during_the_estimate_gets_its_result_back(session, host, dialogs):
    session.patient()
    session.lesion()
    session.approve()
    session.estimate()
    host.wait(lambda: session.ui.progressBar.value() >= 20, 20)
    slicer.mrmlScene.Clear(0)
    session.finish()
    assert dialogs.said == []
    assert session.ui.resultsTable.rowCount() == 18
    assert session.panel.parameters.caseShown == "walk"


def test_a_scene_saved_during_the_estimate_shows_the_result_when_it_is_opened_later(session, host, dialogs, tmp_path):
    session.patient()
    session.lesion()
    session.approve()
    session.estimate()
    host.wait(lambda: session.ui.progressBar.value() >= 20, 20)
    assert slicer.util.saveScene(str(tmp_path / "scene"))
    scene_file = str(next((tmp_path / "scene").rglob("*.mrml")))
    session.finish()
    slicer.mrmlScene.Clear(0)
    assert session.ui.resultsTable.rowCount() == 0
    slicer.util.loadScene(scene_file)
    assert host.wait(lambda: session.ui.resultsTable.rowCount() == 18, 10)

    (session.folder / "working" / "sub-walk").rename(session.folder / "gone")
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(scene_file)
    assert host.wait(lambda: "was interrupted" in session.ui.progressLabel.text(), 10)
    assert dialogs.said == []


def test_every_overlay_can_be_chosen_by_the_user(session, host):
    session.panel.results.open(session.made.folder)
    session.shown()
    for key in ("load", "width", "thickness", "reading"):
        combo = session.ui.overlayCombo
        combo.setCurrentIndex(combo.findData(key))
        session.shown()
        assert session.panel.parameters.overlay == key
        assert slicer.util.getNode(f"sub-made {combo.currentText()}") is not None
    session.ui.opacitySlider.setValue(30)
    composite = host.slices["Red"].logic.GetSliceCompositeNode()
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)
    assert session.panel.parameters.overlayOpacityPercent == 30


@pytest.mark.parametrize(
    ("behaviour", "sentence", "detail"),
    [
        ("error", "The file head.nii has 4 dimensions. Give one 3D volume.", "error: The file"),
        ("crash", "The computation stopped unexpectedly.", "nobody expected this"),
        ("killed", "most often because memory ran out", ""),
    ],
)
def test_a_failed_run_is_told_in_words_with_details(session, host, dialogs, behaviour, sentence, detail):
    session.behave(behaviour)
    session.patient()
    session.lesion()
    session.approve()
    session.estimate()
    session.finish()
    host.wait(lambda: dialogs.said, 5)
    text, details = dialogs.said[0]
    assert sentence in text
    assert "Traceback" not in text
    assert detail in details
    assert not (session.folder / "working" / "sub-walk").exists()
    assert not list((session.folder / "working").glob(".sub-walk*"))


def test_painting_after_approval_withdraws_it(session, host):
    session.patient()
    session.lesion()
    session.approve()
    assert session.ui.estimateButton.isEnabled()
    session.click(session.ui.editorHolder.findChild(QtWidgets.QToolButton, "EraseEffect"))
    host.slices["Red"].node.JumpSlice(-38.0, 5.0, 0.0)
    host.click_in_slice("Red", (-38.0, 5.0, 0.0))
    host.wait(lambda: False, 0.3)
    assert session.ui.reviewMessage.text().startswith("Unreviewed")
    assert not session.ui.estimateButton.isEnabled()


def test_leaving_the_panel_releases_editor_and_shortcuts(session):
    editor = session.panel.review.editor
    session.click(session.ui.drawButton) if session.ui.drawButton.isEnabled() else session.patient()
    assert editor.shortcuts_installed
    session.panel.exit()
    assert not editor.shortcuts_installed
    assert not editor.views_observed
    assert not session.panel.review.editor.mrmlSegmentEditorNode().GetActiveEffectName()


# The demonstration and what a case says first


def test_the_demo_runs_and_is_shown_at_one_click(session, dialogs):
    session.click(session.ui.demoButton)
    assert session.ui.cancelButton.isEnabled()
    session.finish()
    assert dialogs.said == []
    assert session.commands == [["demo", "--out", str(session.folder / "working")]]
    assert session.panel.parameters.caseShown == "demo"
    assert session.ui.resultsTable.rowCount() == 18
    assert session.panel.parameters.caseId == "demo", "the patient in the steps is the case shown"


def test_the_sample_head_is_registered_and_opened(session, monkeypatch, host, dialogs):
    import sys
    from types import SimpleNamespace

    from RegionalBrainAgeSlicer.scene import sample_data

    found = {}
    logic = SimpleNamespace(registerCustomSampleDataSource=lambda **given: found.update(given))
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(SampleDataLogic=logic))
    host.load_module("RegionalBrainAge")
    assert (found["category"], found["nodeNames"]) == ("Regional Brain Age", "Colin27")
    assert Path(found["thumbnailFileName"]).exists()
    assert isinstance(found["uris"], str), "the module wants one address per file"
    monkeypatch.setattr("RegionalBrainAgeLib.resources.package_file", lambda *parts: session.made.t1)
    assert found["customDownloader"](None).GetName() == "Colin27"
    assert found["sampleName"] == sample_data.NAME


def test_a_case_that_is_not_real_says_so_before_its_answer(session):
    path = next(session.made.folder.glob("*_case.json"))
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["case"]["simulated"] = ["lesion", "age"]
    path.write_text(json.dumps(facts), encoding="utf-8")
    session.panel.results.open(session.made.folder)
    session.shown()
    assert session.ui.answerLabel.text().startswith(
        "Simulated data: no real person's result. Not real: lesion and age. "
    )
    values = [session.ui.resultsTable.item(row, 1).text() for row in range(session.ui.resultsTable.rowCount())]
    assert set(values) == {"–"}, "no age of such a case is read"


def test_the_first_line_of_the_results_is_the_answer_and_the_reasons_follow(session):
    session.panel.results.open(session.made.folder)
    session.shown()
    ui = session.ui
    assert ui.answerLabel.text() == "3 of 17 regions are older or younger than expected."
    assert ui.reasonsLabel.text() == "Not estimable: DAN_L: More than half of its cortex is lesioned."
    labels = [ui.answerLabel, ui.reasonsLabel, ui.caseRow, ui.overlayRow, ui.resultsTable]
    places = [label.mapTo(session.panel.parent, QtCore.QPoint(0, 0)).y() for label in labels]
    assert places == sorted(places)


def test_contrasts_and_their_healthy_range_are_seen_in_a_panel_of_400_pixels(session, host):
    session.panel.results.open(session.made.folder)
    session.shown()
    session.panel.parent.resize(400, 2000)
    host.wait(lambda: False, 0.05)
    table = session.ui.resultsTable
    titles = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount())]
    assert titles[:5] == ["Region", "PAD", "healthy", "Sides", "healthy"]
    assert sum(table.columnWidth(column) for column in range(5)) <= table.viewport().width()
    row = next(r for r in range(18) if table.item(r, 0).text() == "SMN_L")
    assert table.item(row, 3).data(QtCore.Qt.ItemDataRole.DisplayRole) == -1.7
    assert table.item(row, 4).text() == "−8…+8"


def test_an_uncalibrated_case_shows_no_pad(session, tmp_path):
    made = made_case(tmp_path / "plain", "plain", calibration="none")
    session.panel.results.open(made.folder)
    session.shown()
    combo = session.ui.overlayCombo
    assert "PAD (years)" not in [combo.itemText(i) for i in range(combo.count())]
    assert combo.currentText() == "Deviation (years)"
    table = session.ui.resultsTable
    assert {table.item(r, 1).text() for r in range(18)} == {"–"}
    assert "read only differences within this brain" in session.ui.warningsLabel.text()


def test_finished_steps_fold(session):
    ui = session.ui
    session.patient()
    assert not ui.patientSection.isCollapsed(), "days since stroke and motor outcome may follow"
    session.lesion()
    assert ui.patientSection.isCollapsed()
    assert not ui.reviewSection.isCollapsed()
    session.approve()
    assert not ui.estimateSection.isCollapsed()
    session.estimate()
    assert ui.reviewSection.isCollapsed()
    session.finish()
    assert [s.isCollapsed() for s in (ui.patientSection, ui.reviewSection, ui.estimateSection)] == [True] * 3
    assert not ui.resultsSection.isCollapsed()
    assert ui.advancedSection.isCollapsed()


def test_every_step_fits_into_a_panel_of_400_pixels(session, host):
    def width() -> int:
        host.qt.processEvents()
        return session.panel.parent.layout().minimumSize().width()

    ui = session.ui
    for step in (session.patient, session.lesion, session.approve, session.estimate, session.finish):
        assert width() <= 400, step.__name__
        step()
    for section in (ui.patientSection, ui.reviewSection, ui.estimateSection, ui.advancedSection):
        section.setCollapsed(False)
    assert width() <= 400
