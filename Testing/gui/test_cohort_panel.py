"""The cohort panel by clicks, with the real library on a simulated cohort."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import slicer
from PySide6 import QtCore, QtTest, QtWidgets
from RegionalBrainAgeCohortLib.data.motor_scales import SCALES
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort


@pytest.fixture
def panel(host):
    _module, widget = host.open_module("RegionalBrainAgeCohort")
    widget.parent.show()
    host.qt.processEvents()
    yield widget
    widget.on_cancel()
    host.wait(lambda: not widget.running, 5)
    host.close_module("RegionalBrainAgeCohort")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cohort") / "processed_cases.csv"
    write_cohort(simulate_cohort(120, 8, 1), path)
    return path


def click(host, button: QtWidgets.QAbstractButton) -> None:
    host.qt.processEvents()
    assert button.isEnabled(), f"{button.objectName()} is disabled"
    place = QtCore.QPoint(8, button.height() // 2)
    QtTest.QTest.mouseClick(button, QtCore.Qt.MouseButton.LeftButton, pos=place)


def picture(host, name: str, section=None) -> None:
    if os.environ.get("REGIONAL_BRAIN_AGE_PICTURES"):
        folder = Path(os.environ["REGIONAL_BRAIN_AGE_PICTURES"])
        host.screenshot("RegionalBrainAgeCohort", folder / f"cohort-{name}.png", section=section)


def open_steps(host, panel) -> list[str]:
    """Names of the open steps; none is wider than a panel of 400 pixels."""
    host.qt.processEvents()
    assert panel.parent.layout().minimumSize().width() <= 400
    sections = (panel.ui.dataSection, panel.ui.choicesSection, panel.ui.runSection, panel.ui.resultsSection)
    return [section.objectName().removesuffix("Section") for section in sections if not section.isCollapsed()]


def test_a_cohort_is_checked_analysed_and_shown_by_clicks(host, panel, dialogs, table, tmp_path):
    ui = panel.ui
    assert not ui.runButton.isEnabled()
    assert open_steps(host, panel) == ["data"]
    ui.tablePath.setPath(str(table))
    assert open_steps(host, panel) == ["data", "choices", "run"]
    click(host, ui.checkButton)
    assert host.wait(lambda: not panel.running, 90)
    assert ui.dataLabel.text().startswith("120 of 120 cases can be used, from 8 sites; networks: smn, fpn")
    picture(host, "1-data")

    for box in (ui.loadsCheck, ui.groupsCheck, ui.classifiersCheck, ui.semCheck):
        click(host, box)
        assert not box.isChecked()
    ui.outputPath.setPath(str(tmp_path / "out"))
    click(host, ui.runButton)
    assert ui.cancelButton.isEnabled()
    assert open_steps(host, panel) == ["run"]
    assert host.wait(lambda: not panel.running, 120)
    assert open_steps(host, panel) == ["results"]
    assert dialogs.said == []
    tables = [ui.resultCombo.itemText(i) for i in range(ui.resultCombo.count())]
    assert "mixed_models" in tables
    assert "sem_paths" not in tables
    ui.resultCombo.setCurrentIndex(tables.index("mixed_models"))
    assert ui.resultTable.rowCount() >= 18
    for width in (600, 400):
        panel.parent.resize(width, 2000)
        host.wait(lambda: False, 0.05)
        assert 300 < ui.figureLabel.pixmap().width() <= ui.figureLabel.width(), (
            "the figure is as wide as the panel lets it"
        )

    click(host, ui.mapButton)
    assert host.wait(lambda: panel.results.run is None and not panel.results.showing, 90)
    assert dialogs.said == []
    assert "on the template's left hemisphere (in axial and coronal slices seen on the right)" in ui.mapNote.text()
    from RegionalBrainAgeSlicer.scene import case_nodes
    from RegionalBrainAgeSlicer.scene.slice_views import region_centre_ras

    overlay = slicer.util.arrayFromVolume(case_nodes.find("template", "overlay"))
    labels = slicer.util.arrayFromVolume(case_nodes.find("template", "regions"))
    shown = panel.results._maps[ui.mapCombo.currentIndex()]
    assert overlay[labels == 1][0] == pytest.approx(shown.values["smn", "ipsi"], rel=1e-5)
    assert overlay[labels == 2][0] == pytest.approx(shown.values["smn", "contra"], rel=1e-5)
    assert region_centre_ras("template", 1)[0] < 0 < region_centre_ras("template", 2)[0], "left is ipsilesional"
    assert np.all(overlay[labels == 0] < -1000), "no veil"
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(case_nodes.find("template", "overlay"))
    assert legend.GetVisibility()
    assert legend.GetTitleText() == "Coefficient\n(years)"
    picture(host, "2-results")
    picture(host, "slicer", ui.resultsSection)


def test_a_table_that_cannot_be_used_is_told_in_words(host, panel, dialogs, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n", encoding="utf-8")
    panel.ui.tablePath.setPath(str(bad))
    click(host, panel.ui.checkButton)
    assert host.wait(lambda: not panel.running, 90)
    text, _details = dialogs.said[-1]
    assert text.startswith("The table cannot be used.")
    assert "Traceback" not in text


def test_the_choices_survive_a_closed_and_reopened_scene(host, panel, table, tmp_path):
    panel.ui.tablePath.setPath(str(table))
    panel.ui.motorScaleSpin.setValue(66)
    panel.ui.modelText.setPlainText("motor ~ load_cst")
    assert slicer.util.saveScene(str(tmp_path / "scene"))
    slicer.mrmlScene.Clear(0)
    assert panel.ui.motorScaleSpin.value() == 1
    assert slicer.util.loadScene(str(next((tmp_path / "scene").rglob("*.mrml"))))
    assert host.wait(lambda: panel.parameters is not None and panel.parameters.motorScale == 66, 5)
    assert panel.ui.modelText.toPlainText() == "motor ~ load_cst"
    assert panel.ui.tablePath.getPath() == str(table)


def settings_after(host, panel) -> dict:
    """The settings file that a run would get."""
    from RegionalBrainAgeCohortSlicer.cohort_parameters import settings_of

    host.qt.processEvents()
    return settings_of(panel.parameters)


def test_the_untouched_panel_asks_for_the_librarys_own_defaults(host, panel):
    found = Settings.from_dict(settings_after(host, panel))
    assert found == Settings()


def test_a_named_motor_scale_brings_its_range_and_its_cut(host, panel):
    from RegionalBrainAgeCohortSlicer.cohort_parameters import MOTOR_SCALES

    ui = panel.ui
    entries = {ui.motorNameCombo.itemText(i): i for i in range(ui.motorNameCombo.count())}
    assert set(MOTOR_SCALES.values()) == {"", *SCALES}
    for text, name in MOTOR_SCALES.items():
        if name:
            assert text.endswith(f"0 to {SCALES[name].highest}")
    ui.motorScaleSpin.setValue(66)
    ui.motorNameCombo.setCurrentIndex(entries["NIHSS, 0 to 42"])
    found = Settings.from_dict(settings_after(host, panel))
    assert not ui.motorScaleSpin.isEnabled()
    assert (found.motor, found.motor_scale, found.cut) == ("nihss", 1.0, SCALES["nihss"].severe_cut)
    ui.motorCutSpin.setValue(0.9)
    assert Settings.from_dict(settings_after(host, panel)).cut == 0.9
    ui.motorNameCombo.setCurrentIndex(0)
    assert Settings.from_dict(settings_after(host, panel)).motor_scale == 66
    assert ui.motorScaleSpin.isEnabled()


def test_own_models_are_typed_and_reach_the_tables(host, panel, dialogs, table, tmp_path):
    ui = panel.ui
    ui.tablePath.setPath(str(table))
    QtTest.QTest.keyClicks(ui.formulaEdit, "age + load_cst")
    ui.formulaEdit.editingFinished.emit()
    QtTest.QTest.keyClicks(ui.semGroupsEdit, "sex")
    ui.semGroupsEdit.editingFinished.emit()
    ui.pathModelCombo.setCurrentIndex(1)
    ui.damagedSpin.setValue(90)
    ui.drawsSpin.setValue(0)
    for box in (ui.mixedCheck, ui.loadsCheck, ui.groupsCheck, ui.classifiersCheck):
        click(host, box)
    found = Settings.from_dict(settings_after(host, panel))
    assert (found.formula, found.sem_groups, found.sem_model, found.min_damaged) == (
        "age + load_cst", "sex", "published", 90
    )  # fmt: skip
    picture(host, "choices", ui.choicesSection)
    ui.outputPath.setPath(str(tmp_path / "out"))
    click(host, ui.runButton)
    assert host.wait(lambda: not panel.running, 240)
    assert dialogs.said == []
    tables = [ui.resultCombo.itemText(i) for i in range(ui.resultCombo.count())]
    assert {"formula_models", "sem_groups_test", "sem_sensitivity"} <= set(tables)
    ui.modelText.setPlainText("motor ~ load_cst")
    assert Settings.from_dict(settings_after(host, panel)).sem_model == "motor ~ load_cst"
    assert not ui.pathModelCombo.isEnabled()
