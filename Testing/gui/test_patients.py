"""Two patients at one panel: what is known of one never becomes the other's.

Seen in the real application (issue 12): another head inherited case id, age, sex, approval and "no lesion".
"""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from made_case import made_case
from PySide6 import QtWidgets


@pytest.fixture
def other(tmp_path):
    """Another patient's head, mask and case."""
    return made_case(tmp_path / "other", "other")


def test_a_second_head_is_a_second_patient(session, host, dialogs, other):
    parameters, ui = session.panel.parameters, session.ui
    session.patient()
    session.lesion()
    session.approve()
    ui.noLesionCheckBox.setChecked(False)
    assert ui.estimateButton.isEnabled()

    session.open_head(other.t1)
    assert parameters.caseId == "other", "from the name of the file"
    assert (parameters.ageYears, parameters.sex) == (0.0, "not given")
    assert (parameters.approvedBy, parameters.lesionSegmentation, parameters.noLesion) == ("", None, False)
    assert ui.reviewerEdit.text() == "Dr Example", "the reviewer is the user, not the patient"
    assert ui.patientMessage.text().startswith("The age is missing.")
    assert not ui.estimateButton.isEnabled()
    composite = host.slices["Red"].logic.GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == parameters.t1Volume.GetID(), "the new head is seen"
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        assert node.GetOrientationMarkerType() == node.OrientationMarkerTypeAxes, "which way is right"
    lesions = [s for s in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if "lesion" in s.GetName()]
    assert [bool(s.GetDisplayNode().GetVisibility()) for s in lesions] == [False], "no other patient's lesion is seen"
    assert dialogs.said == []


def test_going_back_to_a_head_brings_its_facts_and_its_approval_back(session, other, tmp_path):
    parameters = session.panel.parameters
    session.patient()
    session.lesion()
    session.approve()
    first, mask, approved = parameters.t1Volume, parameters.lesionSegmentation, parameters.approvedAt
    parameters.freesurferFolder = tmp_path
    session.open_head(other.t1)
    assert session.ui.freesurferPath.getPath() == ""
    session.facts("second", "70", "M")
    parameters.noLesion = True

    session.ui.t1Selector.setCurrentNode(first)
    assert (parameters.caseId, parameters.ageYears, parameters.sex) == ("walk", 61.5, "F")
    assert (parameters.approvedBy, parameters.approvedAt) == ("Dr Example", approved)
    assert parameters.lesionSegmentation.GetID() == mask.GetID()
    assert (parameters.noLesion, parameters.freesurferFolder) == (False, tmp_path)
    assert session.ui.estimateButton.isEnabled()


def test_facts_are_kept_with_their_heads_in_a_saved_scene(session, host, other, tmp_path):
    session.patient()
    session.lesion()
    session.open_head(other.t1)
    session.facts("second", "70", "M")
    assert slicer.util.saveScene(str(tmp_path / "scene"))
    slicer.mrmlScene.Clear(0)
    assert slicer.util.loadScene(str(next((tmp_path / "scene").rglob("*.mrml"))))
    host.wait(lambda: False, 0.1)
    parameters = session.panel.parameters
    assert parameters.caseId == "second"
    parameters.t1Volume = slicer.util.getNode("sub-made_T1w*")
    assert (parameters.caseId, parameters.ageYears) == ("walk", 61.5)
    assert parameters.lesionSegmentation is not None


def test_a_head_that_is_removed_takes_its_facts_along(session, host, other):
    session.patient()
    slicer.mrmlScene.RemoveNode(session.panel.parameters.t1Volume)
    host.wait(lambda: False, 0.05)
    assert session.panel.parameters.t1Volume is None
    assert (session.panel.parameters.caseId, session.panel.parameters.ageYears) == ("", 0.0)


def test_facts_typed_before_a_head_is_chosen_are_that_heads(session):
    session.facts("typed-first", "55", "M")
    session.open_head(session.made.t1)
    assert (session.panel.parameters.caseId, session.panel.parameters.ageYears) == ("typed-first", 55.0)


def test_a_case_measured_by_freesurfer_alone_is_a_patient_too(session, other, tmp_path):
    folder = tmp_path / "fs"
    folder.mkdir()
    session.ui.freesurferPath.setPath(str(folder))
    session.facts("surfer", "55", "M")
    session.panel.parameters.noLesion = True
    session.estimate()
    session.finish()
    session.open_head(other.t1)
    assert session.panel.parameters.caseId == "other"
    assert session.ui.freesurferPath.getPath() == ""


def test_writing_over_an_estimate_is_asked_first(session, dialogs):
    session.patient()
    session.panel.parameters.noLesion = True
    session.estimate()
    session.finish()
    assert "--overwrite" not in session.commands[-1]

    dialogs.button = "Cancel"
    session.click(session.ui.estimateButton)
    assert "holds an estimate already. Replace it?" in dialogs.said[-1][0]
    assert not session.panel.estimate.running
    assert len(session.commands) == 1
    dialogs.button = "OK"
    session.click(session.ui.estimateButton)
    session.finish()
    assert session.commands[-1][-1] == "--overwrite"
    assert dialogs.said[1:] == dialogs.said[:1], "asked twice, and the run found nothing to complain of"


def test_a_mask_approved_for_another_head_of_the_same_name_is_not_used(session, dialogs, other):
    session.patient()
    session.lesion()
    session.approve()
    first = session.panel.parameters.t1Volume
    session.open_head(other.t1)
    session.facts("walk", "70", "M")
    session.choose(other.lesion)
    session.click(session.ui.loadMaskButton)
    session.click(session.ui.editorHolder.findChild(QtWidgets.QToolButton, "PaintEffect"))
    session.host.slices["Red"].node.JumpSlice(-20.0, 10.0, 0.0)
    session.host.click_in_slice("Red", (-20.0, 10.0, 0.0))
    session.approve()
    session.ui.t1Selector.setCurrentNode(first)
    session.estimate()
    assert "is not the one that was approved" in dialogs.said[-1][0]
    assert session.commands == []


def test_a_run_that_ends_while_another_patient_is_in_the_panel_leaves_that_one_alone(session, host, other):
    session.patient()
    session.lesion()
    session.approve()
    session.estimate()
    session.open_head(other.t1)
    session.facts("second", "70", "M")
    session.finish()
    parameters = session.panel.parameters
    assert (parameters.caseId, parameters.caseShown) == ("second", "")
    assert session.ui.resultsTable.rowCount() == 0
    assert "sub-walk" in [session.ui.caseCombo.itemText(i) for i in range(session.ui.caseCombo.count())]
    review = session.folder / "working" / "sub-walk" / "sub-walk_desc-lesion_review.json"
    assert '"reviewer": "Dr Example"' in review.read_text(encoding="utf-8")


def test_the_case_shown_is_the_patient_in_the_steps(session, other):
    session.panel.results.open(session.made.folder)
    session.shown()
    assert (session.panel.parameters.caseId, session.panel.parameters.ageYears) == ("made", 61.0)
    session.panel.results.open(other.folder)
    session.shown()
    assert session.panel.parameters.caseId == "other"
    assert session.ui.caseCombo.currentText() == "sub-other"

    session.ui.caseCombo.setCurrentIndex(session.ui.caseCombo.findData("made"))
    session.shown()
    assert session.panel.parameters.caseId == "made"
    assert session.panel.parameters.t1Volume.GetName() == "sub-made T1"
    session.ui.t1Selector.setCurrentNode(slicer.util.getNode("sub-other T1"))
    assert session.panel.parameters.caseShown == "other"
    assert session.ui.caseCombo.currentText() == "sub-other"


def test_a_registration_of_one_head_never_measures_another(session, other):
    from RegionalBrainAgeSlicer.scene import case_nodes

    session.patient()
    head = session.panel.parameters.t1Volume
    from RegionalBrainAgeSlicer.scene.label_files import Labels, label_node

    for role in ("reviewRegions", "reviewMidline"):
        case_nodes.attach(head, role, label_node(Labels(np.ones((4, 4, 4), np.uint8), np.eye(4)), role))
    assert session.panel.review._registered_head() is not None
    session.open_head(other.t1)
    session.facts("walk", "70", "M")
    assert session.panel.review._registered_head() is None, "of the same name, but another head"
