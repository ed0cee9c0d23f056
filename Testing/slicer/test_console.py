"""The module from the Python console. The library's run is replaced by `fake_library.py` with the same arguments."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import slicer
from made_case import made_case
from pages import blocks
from PySide6 import QtWidgets

FAKE = Path(__file__).resolve().parents[1] / "host" / "fake_library.py"


@pytest.fixture
def logic(host, tmp_path, monkeypatch):
    """The module's logic; runs go through the fake library, whose behaviour is the attribute `behaviour`."""
    assert isinstance(host.qt, QtWidgets.QApplication)
    module, _widget = host.open_module("RegionalBrainAge")
    made = made_case(tmp_path / "made", "made")
    real = slicer.util.launchConsoleProcess
    logic = module.RegionalBrainAgeLogic()
    logic.behaviour, logic.made, logic.commands = "ok", made, []

    def launch(arguments, **options):
        logic.commands.append(arguments[2:])
        return real([sys.executable, str(FAKE), logic.behaviour, str(made.folder), *arguments[2:]], **options)

    monkeypatch.setattr(slicer.util, "launchConsoleProcess", launch)
    yield logic
    host.close_module("RegionalBrainAge")


def test_a_case_is_processed_from_files_and_shown(logic, host, tmp_path):
    from RegionalBrainAgeSlicer.scene import case_nodes

    case = logic.processCase(
        logic.made.t1, 61, "F", tmp_path / "out", lesion=logic.made.lesion, case_id="one", motor=0.5, site="ward 7"
    )
    assert len(case.rows) == 18
    assert case.path == tmp_path / "out" / "sub-one"
    given = dict(zip(logic.commands[0][1::2], logic.commands[0][2::2], strict=False))
    assert given["--t1"] == str(logic.made.t1)
    assert given["--lesion"] == str(logic.made.lesion)
    assert (given["--age"], given["--sex"], given["--motor"], given["--site"]) == ("61", "F", "0.5", "ward 7")
    assert case_nodes.find("one", "overlay") is not None
    assert case_nodes.find("one", "plot") is not None


def test_a_case_is_processed_from_nodes(logic, host, tmp_path):
    from RegionalBrainAgeSlicer.scene.lesion_segment import fill_lesion_segment, new_lesion_segmentation
    from RegionalBrainAgeSlicer.steps.patient_step import read_volume

    head = read_volume(logic.made.t1)
    mask = read_volume(logic.made.lesion)
    segmentation = new_lesion_segmentation("lesion", head)
    fill_lesion_segment(segmentation, mask, head)
    logic.processCase(head, 61, "F", tmp_path / "out", lesion=segmentation, case_id="two", show=False)
    given = dict(zip(logic.commands[0][1::2], logic.commands[0][2::2], strict=False))
    assert given["--t1"] == str(logic.made.t1), "the file it was read from"
    import nibabel as nib
    import numpy as np

    written, wanted = nib.load(given["--lesion"]), nib.load(logic.made.lesion)
    assert np.array_equal(np.asarray(written.dataobj) > 0, np.asarray(wanted.dataobj) > 0)
    assert np.allclose(written.affine, wanted.affine, atol=1e-4)


def test_a_failing_case_raises_the_librarys_own_sentence(logic, tmp_path):
    from RegionalBrainAgeLib.errors import CaseError

    logic.behaviour = "error"
    with pytest.raises(CaseError, match=r"The file head\.nii has 4 dimensions\. Give one 3D volume\."):
        logic.processCase(logic.made.t1, 61, "F", tmp_path / "out", case_id="one")


def test_a_cohort_is_processed_with_its_options(logic, tmp_path, monkeypatch):
    from RegionalBrainAgeSlicer import console

    commands = []
    monkeypatch.setattr(console, "run_library", lambda arguments: commands.append(arguments) or [])
    folder = logic.processCohort(tmp_path / "processed_cases.csv", tmp_path / "analysis", network="fpn", motor_scale=66)
    assert folder == tmp_path / "analysis"
    assert commands == [
        ["cohort", str(tmp_path / "processed_cases.csv"), "--out", str(tmp_path / "analysis"),
         "--network", "fpn", "--motor-scale", "66"]
    ]  # fmt: skip


def test_a_list_of_cases_and_a_dataset_go_through_the_batch(logic, tmp_path, monkeypatch):
    from RegionalBrainAgeSlicer import console

    commands = []
    monkeypatch.setattr(console, "run_library", lambda arguments: commands.append(arguments) or [])
    cases = tmp_path / "patients.csv"
    cases.write_text("case_id,t1,age,sex\n", encoding="utf-8")
    logic.processCohort(cases, tmp_path / "out", workers=2, resume=True)
    logic.processCohort(tmp_path, tmp_path / "out")
    assert commands == [
        ["batch", str(cases), "--out", str(tmp_path / "out"), "--resume", "--workers", "2"],
        ["batch", "--bids", str(tmp_path), "--out", str(tmp_path / "out")],
    ]


@pytest.mark.parametrize("text", [text for _, text, _ in blocks("python") if "slicer." in text])
def test_the_calls_on_the_pages_run(text, logic, host, tmp_path, monkeypatch, capsys):
    """The library is a stand-in that leaves a finished case in the place of what it was asked to compute."""
    from RegionalBrainAgeSlicer import console

    commands = []

    def run_library(words):
        commands.append(words[0])
        if words[0] != "cohort":
            name = "sub-demo" if words[0] == "demo" else "sub-07"
            made_case(tmp_path / "made again", name.removeprefix("sub-"))
            out = Path(words[words.index("--out") + 1])
            shutil.copytree(tmp_path / "made again" / name, out / name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "run_library", run_library)
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda name: logic)
    shutil.copy(logic.made.t1, "head.nii.gz")
    shutil.copy(logic.made.lesion, "lesion.nii.gz")
    exec(compile(text, "docs/slicer.md", "exec"), {"slicer": slicer})
    assert commands == (["demo"] if "processDemo" in text else ["case", "cohort"])
    assert len(capsys.readouterr().out.splitlines()) == (18 if "print" in text else 0)


def test_a_finished_case_is_opened_with_another_overlay(logic):
    case = logic.openCase(logic.made.folder, overlay="load")
    assert case.case_id == "made"
    assert slicer.util.getNode("sub-made Lesion load (%)") is not None


def test_a_head_that_was_changed_in_slicer_is_written_anew(host, tmp_path):
    import nibabel as nib
    import numpy as np
    from made_case import oblique
    from RegionalBrainAgeSlicer.steps.patient_step import read_volume
    from RegionalBrainAgeSlicer.work.command_line import head_file

    made = made_case(tmp_path, "made", oblique())
    head = read_volume(made.t1)
    assert head_file(head, tmp_path / "inputs", "sub-made") == made.t1
    array = slicer.util.arrayFromVolume(head)
    array[10, 10, 10] = 77
    slicer.util.arrayFromVolumeModified(head)
    path = head_file(head, tmp_path / "inputs", "sub-made")
    assert path != made.t1
    before, after = nib.load(made.t1), nib.load(path)
    ijk = np.stack(np.meshgrid(*map(np.arange, before.shape), indexing="ij"), -1).reshape(-1, 3)
    place = nib.affines.apply_affine(np.linalg.inv(after.affine) @ before.affine, ijk)
    assert np.abs(place - np.rint(place)).max() < 1e-3, "the same oblique, left-handed grid, axes perhaps turned round"
    there = np.asarray(after.dataobj)[tuple(np.rint(place).astype(int).T)]
    changed = np.flatnonzero(there != np.asarray(before.dataobj).ravel())
    from RegionalBrainAgeSlicer.scene.grids import ras_from_ijk

    assert len(changed) == 1
    assert there[changed[0]] == 77
    ras = nib.affines.apply_affine(before.affine, ijk[changed[0]])
    assert np.allclose(ras, nib.affines.apply_affine(ras_from_ijk(head), [10, 10, 10]), atol=0.01)


def test_a_mask_on_another_grid_lands_on_the_same_anatomy(host, tmp_path):
    import nibabel as nib
    import numpy as np
    from RegionalBrainAgeSlicer.scene.lesion_measures import head_middle_mm, measure
    from RegionalBrainAgeSlicer.scene.lesion_segment import fill_lesion_segment, new_lesion_segmentation
    from RegionalBrainAgeSlicer.steps.patient_step import read_volume
    from RegionalBrainAgeSlicer.work.command_line import lesion_voxels

    from made_case import oblique  # isort: skip

    straight = made_case(tmp_path / "1", "straight")
    slanted = made_case(tmp_path / "2", "slanted", oblique())
    head, mask = read_volume(slanted.t1), read_volume(straight.lesion)
    segmentation = new_lesion_segmentation("lesion", head)
    fill_lesion_segment(segmentation, mask, head)
    moved = lesion_voxels(segmentation, head).transpose(2, 1, 0)
    wanted = np.asarray(nib.load(slanted.lesion).dataobj) > 0
    dice = 2 * (moved & wanted).sum() / (moved.sum() + wanted.sum())
    assert dice > 0.85
    measures = measure(segmentation, head, head_middle_mm(head), None)
    assert measures.side == "L"
    assert measures.volume_ml == pytest.approx(2.14, rel=0.1)


def test_side_and_loads_follow_the_anatomy_when_axes_are_turned_round(host, tmp_path):
    """The registration's files and the head may store an axis in opposite directions; sizes alone do not tell."""
    import numpy as np
    from RegionalBrainAgeSlicer.scene.grids import ras_from_ijk, same_grid
    from RegionalBrainAgeSlicer.scene.lesion_measures import RegisteredHead, measure
    from RegionalBrainAgeSlicer.scene.lesion_segment import fill_lesion_segment, new_lesion_segmentation
    from RegionalBrainAgeSlicer.steps.patient_step import read_volume

    made = made_case(tmp_path, "made")
    head, mask = read_volume(made.t1), read_volume(made.lesion)
    labels = read_volume(made.folder / "sub-made_desc-regions_dseg.nii.gz")
    turned = np.diag([-1.0, 1, 1, 1])
    turned[0, 3] = head.GetImageData().GetDimensions()[0] - 1
    head.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ras_from_ijk(head) @ turned))
    slicer.util.updateVolumeFromArray(head, slicer.util.arrayFromVolume(head)[:, :, ::-1].copy())
    assert not same_grid(head, labels)
    segmentation = new_lesion_segmentation("lesion", head)
    fill_lesion_segment(segmentation, mask, head)
    zones = read_volume(made.folder / "sub-made_desc-regions_dseg.nii.gz")
    right_mm = (np.arange(60) * 2.0 - 58.0)[None, None, :] * np.ones(slicer.util.arrayFromVolume(zones).shape)
    slicer.util.updateVolumeFromArray(zones, np.digitize(right_mm, [-5, 0, 5]).astype(np.int16) + 1)
    registered = RegisteredHead(labels, zones, {"VAN_L": [9], "VAN_R": [10]})
    measures = measure(segmentation, head, 0.0, registered)
    assert measures.side == "L"
    assert measures.registered
    assert [name for name, _load in measures.loads] in ([], ["VAN_L"])
    assert measure(segmentation, head, 0.0, None).side == "L"
