"""Heads that are measured with a warning, or refused only once the brain was found, through the literal command."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from offline import program_without_network
from RegionalBrainAgeLib.case.result import tables as table
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file

pytestmark = pytest.mark.slow
COLIN = package_file(*DEMO_HEAD)


def run(*words) -> tuple[int, str]:
    """Exit code and stderr of the command line, which can reach no network."""
    done = subprocess.run(
        program_without_network(*words), capture_output=True, encoding="utf-8", check=False, timeout=1200
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr + done.stdout


def colin_at_2_mm() -> tuple[np.ndarray, np.ndarray]:
    file = nib.load(COLIN)
    array = np.asarray(file.dataobj, np.float32)
    i, j, k = (size // 2 for size in array.shape)
    array = array[: 2 * i, : 2 * j, : 2 * k].reshape(i, 2, j, 2, k, 2).mean((1, 3, 5))
    ras_from_ijk = file.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    ras_from_ijk[:3, 3] = file.affine[:3, :3] @ np.full(3, 0.5) + file.affine[:3, 3]
    return array, ras_from_ijk


def save(path: Path, array: np.ndarray, ras_from_ijk: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, ras_from_ijk), path)
    return path


def balls(shape, ras_from_ijk, *centres_and_radii) -> np.ndarray:
    ras = np.tensordot(ras_from_ijk[:3, :3], np.indices(shape), 1) + ras_from_ijk[:3, 3].reshape(3, 1, 1, 1)
    inside = [np.linalg.norm(ras - np.reshape(c, (3, 1, 1, 1)), axis=0) < r for c, r in centres_and_radii]
    return np.any(inside, axis=0).astype(np.uint8)


@pytest.fixture(scope="module")
def inverted(tmp_path_factory) -> tuple[Path, str]:
    """A T2-like head (Colin27 with its contrast inverted) with a lesion in both hemispheres and an own tract."""
    folder = tmp_path_factory.mktemp("inverted")
    array, ras_from_ijk = colin_at_2_mm()
    top = np.percentile(array[array > 10], 99)
    t2 = save(folder / "t2.nii.gz", np.where(array > 0.1 * top, 1.15 * top - array, array), ras_from_ijk)
    both = balls(array.shape, ras_from_ijk, ((-40, -10, 20), 12), ((40, -10, 20), 9))
    lesion = save(folder / "both.nii.gz", both, ras_from_ijk)
    tracts = [
        save(folder / f"{x}.nii.gz", balls(array.shape, ras_from_ijk, ((x, -10, 20), 6)), ras_from_ijk)
        for x in (-40, 60)
    ]
    words = ("--t1", t2, "--lesion", lesion, "--age", 40, "--sex", "M", "--id", "t2", "--tract", *tracts)
    code, said = run("case", *words, "--out", folder / "out")
    assert code == 0, said
    return folder / "out", said


def test_a_t2_image_is_measured_with_a_warning_and_fails_the_quality_check(inverted):
    out, said = inverted
    assert "does not look T1-weighted" in said
    assert "give a T1-weighted image" in said
    assert table.read_table(out / "processed_cases.csv")[0]["qc"] == "fail"
    assert "does not look T1-weighted" in (out / "sub-t2" / "sub-t2_report.html").read_text(encoding="utf-8")


def test_a_two_sided_lesion_is_named_left_and_right_and_has_no_ipsilesional_columns(inverted):
    out, said = inverted
    assert "touches both hemispheres" in said
    (row,) = table.read_table(out / "processed_cases.csv")
    assert row["lesion_side"] == "bilateral"
    assert not any(row[name] for name in row if "_ipsi_" in name or "_contra_" in name)
    assert row["load_cst"] == ""
    regions = table.read_table(out / "sub-t2" / "sub-t2_regions.tsv")
    assert {region["side"] for region in regions} == {"left", "right"}
    insula = {r["hemisphere"]: float(r["load_fraction"]) for r in regions if r["network"] == "SAL"}
    assert insula["L"] > insula["R"] > 0  # the left ball is the larger one


def test_an_own_tract_is_used_and_recorded(inverted):
    """A ball inside the lesion is lost altogether, one beside it not at all."""
    out, _ = inverted
    case = json.loads((out / "sub-t2" / "sub-t2_case.json").read_text(encoding="utf-8"))
    assert case["lesion"]["load_cst_left"] > 0.95
    assert case["lesion"]["load_cst_right"] == 0.0
    assert case["provenance"]["parameters"]["tract"] == "own"
    assert len(case["provenance"]["inputs"]["tract_left"]["sha256"]) == 64


def test_a_lesion_outside_the_brain_is_refused_by_name_and_leaves_nothing(tmp_path):
    array, ras_from_ijk = colin_at_2_mm()
    t1 = save(tmp_path / "t1.nii.gz", array, ras_from_ijk)
    neck = save(tmp_path / "neck.nii.gz", balls(array.shape, ras_from_ijk, ((0, -110, -60), 8)), ras_from_ijk)
    code, said = run("case", "--t1", t1, "--lesion", neck, "--age", 40, "--sex", "M", "--out", tmp_path / "out")
    assert code == 2
    assert "neck.nii.gz" in said
    assert "outside the brain" in said
    assert "Check that it was drawn on this T1 image" in said
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []
