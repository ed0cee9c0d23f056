"""Behaviours of the real application that stand-ins once let pass; see Testing/host/README.md for each one's source."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import slicer
from made_case import made_case
from PySide6 import QtCore, QtTest, QtWidgets

HOST = Path(__file__).resolve().parents[1] / "host"


def line_of(field) -> QtWidgets.QLineEdit:
    return field.findChild(QtWidgets.QLineEdit)


# Path fields


def path_fields(panel) -> list[str]:
    return [name for name, widget in vars(panel.ui).items() if type(widget).__name__ == "ctkPathLineEdit"]


@pytest.mark.parametrize("module", ["RegionalBrainAge", "RegionalBrainAgeCohort"])
def test_clearing_a_path_field_clears_the_parameter(host, module, tmp_path):
    """The real field tells of acceptable input only, and empty is not acceptable."""
    _module, panel = host.open_module(module)
    panel.parent.show()
    try:
        assert path_fields(panel)
        for name in path_fields(panel):
            field = getattr(panel.ui, name)
            parameter = field.property("SlicerParameterName")
            for clear in (
                lambda edit: edit.clear(),
                lambda edit: QtTest.QTest.keyClick(edit, QtCore.Qt.Key.Key_Delete),
            ):
                field.setPath(str(tmp_path / "previous"))
                assert getattr(panel.parameters, parameter) == tmp_path / "previous"
                line_of(field).selectAll()
                clear(line_of(field))
                assert field.getPath() == ""
                assert getattr(panel.parameters, parameter) == Path(), f"{name} keeps its old value"
    finally:
        host.close_module(module)


@pytest.mark.parametrize("typed", ["./data/x", "../y", "~/z", "/data/", ".", "a.b/c"])
def test_a_path_is_left_as_it_is_typed(session, tmp_path, typed):
    session.ui.freesurferPath.setPath(str(tmp_path))
    edit = line_of(session.ui.freesurferPath)
    session.open_section(session.ui.freesurferPath)
    edit.setFocus()
    edit.selectAll()
    QtTest.QTest.keyClick(edit, QtCore.Qt.Key.Key_Delete)
    QtTest.QTest.keyClicks(edit, typed)
    assert edit.text() == typed
    assert session.panel.parameters.freesurferFolder == Path(typed)


# Layouts and views


def in_a_new_slicer(code: str) -> str:
    """What a second process of the application prints. `host` and `slicer` are there; no panel was opened."""
    start = f"""
        import sys
        sys.path[:0] = [{str(HOST)!r}]
        import slicer_host
        host = slicer_host.start()
        import slicer
        for name in ("RegionalBrainAge", "RegionalBrainAgeCohort"):
            host.load_module(name)
    """
    script = textwrap.dedent(start) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_saved_scene_opened_in_a_new_slicer_shows_its_views(session, tmp_path):
    session.panel.results.open(session.made.folder)
    session.shown()
    assert slicer.util.saveScene(str(tmp_path / "scene"))
    scene = next((tmp_path / "scene").rglob("*.mrml"))
    said = in_a_new_slicer(f"slicer.util.loadScene({str(scene)!r}); print(sorted(host.layouts.visible_views()))")
    assert said.strip().endswith("['1', 'Green', 'Red', 'RegionalBrainAgePlot', 'RegionalBrainAgeTable', 'Yellow']")


def test_show_brings_the_views_back_where_the_layout_is_set_but_was_never_made():
    """As after opening a scene in a Slicer that did not know the layout then: setting it again does nothing."""
    said = in_a_new_slicer("""
        from RegionalBrainAgeSlicer.scene import slice_views
        node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
        node.SetViewArrangement(4242)
        slice_views.LAYOUTS[4242] = slice_views.LAYOUTS[slice_views.LAYOUT_ID]
        print(host.layouts.visible_views())
        slice_views.show_layout(4242)
        print(len(host.layouts.visible_views()))
    """)
    assert said.split() == ["[]", "6"]


def views_of(host, class_name: str) -> list:
    nodes = slicer.util.getNodesByClass(class_name)
    return [node for node in nodes if node.GetLayoutName() in host.layouts.visible_views()]


@pytest.mark.parametrize("way", ["estimate", "open", "console"])
def test_plot_and_table_are_in_their_views_after_a_case_is_shown_for_the_first_time(session, host, way):
    """Their view nodes exist only after the layout is set."""
    for node in [
        *slicer.util.getNodesByClass("vtkMRMLPlotViewNode"),
        *slicer.util.getNodesByClass("vtkMRMLTableViewNode"),
    ]:
        slicer.mrmlScene.RemoveNode(node)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    if way == "console":
        session.panel.logic.openCase(session.made.folder)
    elif way == "open":
        session.panel.results.open(session.made.folder)
        session.shown()
    else:
        session.patient()
        session.panel.parameters.noLesion = True
        session.estimate()
        session.finish()
    plot, table = views_of(host, "vtkMRMLPlotViewNode"), views_of(host, "vtkMRMLTableViewNode")
    assert [bool(view.GetPlotChartNodeID()) for view in plot] == [True]
    assert [bool(view.GetTableNodeID()) for view in table] == [True]


# The scene


def saved_session(session, folder: Path) -> str:
    """A scene with a head, an approved lesion and a shown case. Returns its file."""
    session.patient()
    session.lesion()
    session.approve()
    session.estimate()
    session.finish()
    assert slicer.util.saveScene(str(folder))
    return str(next(folder.rglob("*.mrml")))


def test_the_segment_editor_holds_the_lesion_after_a_scene_is_opened(session, host, tmp_path):
    """The editor skips updates during the import; then its own selector has the last word."""
    scene = saved_session(session, tmp_path / "scene")
    slicer.mrmlScene.Clear(0)
    assert slicer.util.loadScene(scene)
    host.wait(lambda: False, 0.1)
    lesion = session.panel.parameters.lesionSegmentation
    editor = session.panel.review.editor
    assert lesion is not None
    assert editor.segmentationNode() is not None
    assert editor.segmentationNode().GetID() == lesion.GetID()
    assert editor.sourceVolumeNode().GetID() == session.panel.parameters.t1Volume.GetID()
    assert editor.mrmlSegmentEditorNode().GetSegmentationNode().GetID() == lesion.GetID()


def test_a_scene_opened_into_a_scene_with_a_chosen_head_keeps_its_head_and_facts(session, host, dialogs, tmp_path):
    scene = saved_session(session, tmp_path / "scene")
    slicer.mrmlScene.Clear(0)
    other = made_case(tmp_path / "other", "other")
    session.open_head(other.t1)
    session.facts("second", "70", "M")
    assert slicer.util.loadScene(scene)
    host.wait(lambda: False, 0.1)
    parameters = session.panel.parameters
    assert parameters.t1Volume is not None
    assert parameters.t1Volume.GetName().startswith("sub-made"), "the scene's own head"
    assert (parameters.caseId, parameters.approvedBy) == ("walk", "Dr Example")
    assert dialogs.said == []
    parameters.t1Volume = next(
        v for v in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "other" in v.GetName()
    )
    assert parameters.caseId != "walk", "the other head is still another patient"


def test_the_head_selector_never_offers_or_chooses_what_the_extension_made(session, host):
    """Qt chooses a neighbour when the chosen row goes; the overlay was one."""
    session.panel.results.open(session.made.folder)
    session.shown()
    overlay = slicer.util.getNode("sub-made PAD (years)")
    selector = session.ui.t1Selector
    offered = [selector.itemData(i) for i in range(selector.count())]
    assert overlay.GetID() not in offered
    later = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "later head")
    session.panel.parameters.t1Volume = later
    slicer.mrmlScene.RemoveNode(later)
    host.wait(lambda: False, 0.05)
    chosen = session.panel.parameters.t1Volume
    assert chosen is None or chosen.GetID() != overlay.GetID()
    session.panel.parameters.t1Volume = overlay
    assert session.panel.parameters.t1Volume is None, "not even when a script chooses it"


def test_no_node_is_removed_that_is_in_no_scene(session, host):
    """The application's error log would have a red line for each."""
    session.patient()
    for _time in range(2):
        session.lesion()
    session.approve()
    session.panel.results.open(session.made.folder)
    session.shown()
    assert host.errors == []


def test_rows_of_a_case_go_with_its_table(session, host):
    session.panel.results.open(session.made.folder)
    session.shown()
    from RegionalBrainAgeSlicer.scene import case_nodes

    slicer.mrmlScene.RemoveNode(case_nodes.find("made", "table"))
    host.wait(lambda: False, 0.1)
    assert session.ui.resultsTable.rowCount() == 0
    assert session.ui.caseCombo.count() == 0
    assert not session.ui.saveButton.isEnabled()


def test_the_slices_go_to_a_mask_that_is_opened(session, host):
    session.patient()
    host.slices["Red"].node.JumpSlice(0.0, 0.0, 30.0)
    session.lesion()
    place = session.made.lesion_centre_ras
    for view in host.slices.values():
        matrix = view.node.GetSliceToRAS()
        centre, normal = ([matrix.GetElement(i, column) for i in range(3)] for column in (3, 2))
        assert abs(sum((p - c) * n for p, c, n in zip(place, centre, normal, strict=True))) < 2.0


def test_head_and_lesion_lie_in_the_cases_folder_before_an_estimate(session):
    session.patient()
    session.lesion()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), "sub-walk")
    assert folder
    for node in (session.panel.parameters.t1Volume, session.panel.parameters.lesionSegmentation):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
