"""Real heads through the whole chain: the demonstration, the same head stored otherwise, and its mirror image."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from offline import program_without_network
from RegionalBrainAgeLib.anatomy.regions import load_scheme, region_masks
from RegionalBrainAgeLib.case.demo import LESION_NAME
from RegionalBrainAgeLib.case.result import tables as table
from RegionalBrainAgeLib.case.result.volumes import RegionVolume
from RegionalBrainAgeLib.files.images import read_t1
from RegionalBrainAgeLib.files.words import number_of
from RegionalBrainAgeLib.geometry.image import to_canonical
from RegionalBrainAgeLib.head.registration import Registration
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file

pytestmark = pytest.mark.slow
COLIN = package_file(*DEMO_HEAD)
VOLUMES = ("brain_mask", "lesion_mask", "regions_dseg", "parcels_dseg", "thickness_map", "pad_map")


def run(*words) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, which can reach no network."""
    done = subprocess.run(
        program_without_network(*words), capture_output=True, encoding="utf-8", check=False, timeout=1800
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def run_case(t1: Path, out: Path, case_id: str, lesion: Path) -> Path:
    code, _, said = run(
        "case", "--t1", t1, "--lesion", lesion, "--age", 40, "--sex", "M", "--id", case_id, "--out", out
    )
    assert code == 0, said
    return out / f"sub-{case_id}"


def regions(folder: Path, column: str) -> np.ndarray:
    rows = table.read_table(folder / f"{folder.name}_regions.tsv")
    return np.array([number_of(row[column]) for row in rows])


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def demo(out) -> Path:
    code, said, _ = run("demo", "--out", out)
    assert code == 0
    assert str(out / "sub-demo" / "sub-demo_report.html") in said
    return out / "sub-demo"


def test_the_demonstration_leaves_every_file_and_says_what_it_is(demo):
    stem = demo.name
    expected = [
        f"{stem}_{name}" for name in ("regions.tsv", "regions.json", "parcels.tsv", "parcels.json", "case.json")
    ]
    expected += [f"{stem}_methods.md", f"{stem}_references.bib"]
    expected += [f"{stem}_desc-{name}.nii.gz" for name in VOLUMES] + [f"{stem}_report.html", "figures"]
    assert set(expected) <= set(os.listdir(demo))
    beside = {"processed_cases.csv", "processed_cases.json", "dataset_description.json", LESION_NAME, stem}
    assert beside == set(os.listdir(demo.parent))
    report = (demo / f"{stem}_report.html").read_text(encoding="utf-8")
    assert "not real" in report
    assert "Colin27" in report
    for name in ("regions", "parcels"):
        assert list(table.read_table(demo / f"{stem}_{name}.tsv")[0]) == list(
            json.loads((demo / f"{stem}_{name}.json").read_text(encoding="utf-8"))
        )


def test_all_volumes_lie_on_the_heads_own_grid(demo):
    head = nib.load(COLIN)
    for name in VOLUMES:
        image = nib.load(demo / f"{demo.name}_desc-{name}.nii.gz")
        assert image.shape == head.shape
        assert np.allclose(image.affine, head.affine, atol=1e-3)


def test_saved_transforms_bring_template_labels_onto_the_heads_own_grid(demo):
    registration = Registration.load(demo, demo.name)
    codes = RegionVolume.combine(region_masks(load_scheme()))
    regions = codes.with_codes(registration.to_native(codes.codes)).first_region()
    written = nib.load(demo / f"{demo.name}_desc-regions_dseg.nii.gz")
    assert np.mean(regions.array != np.asarray(written.dataobj)) < 1e-3


def assert_numbers_agree(folder: Path) -> None:
    """Table of regions, row of the case and volumes say the same."""
    name = folder.name
    (row,) = (
        row
        for row in table.read_table(folder.parent / "processed_cases.csv")
        if row["case_id"] == name.removeprefix("sub-")
    )
    lesion = nib.load(folder / f"{name}_desc-lesion_mask.nii.gz")
    volume_ml = np.count_nonzero(lesion.get_fdata()) * abs(np.linalg.det(lesion.affine[:3, :3])) / 1000
    assert float(row["lesion_volume_ml"]) == pytest.approx(volume_ml, rel=1e-4)
    pads, loads = regions(folder, "pad_corrected_years"), regions(folder, "load_fraction")
    names = table.networks_of(row)
    left, right = slice(0, None, 2), slice(1, None, 2)
    ipsi, contra = (left, right) if row["lesion_side"] == "L" else (right, left)
    assert [number_of(row[f"pad_ipsi_{n}"]) for n in names] == pytest.approx(pads[ipsi], nan_ok=True)
    assert [number_of(row[f"load_contra_{n}"]) for n in names] == pytest.approx(loads[contra])
    # A voxel of the PAD map holds the value of the region that the label volume names there.
    labels = nib.load(folder / f"{name}_desc-regions_dseg.nii.gz").get_fdata().astype(int)
    painted = nib.load(folder / f"{name}_desc-pad_map.nii.gz").get_fdata()
    for number in range(1, 19):
        values = painted[labels == number]
        assert np.median(values) == pytest.approx(pads[number - 1], abs=1e-3, nan_ok=True)


def test_numbers_in_table_row_and_volumes_agree_and_no_age_is_invented(demo):
    assert_numbers_agree(demo)
    (row,) = (row for row in table.read_table(demo.parent / "processed_cases.csv") if row["case_id"] == "demo")
    told = [row[name] for name in ("lesion_side", "sex", "age", "calibrated", "simulated")]
    assert told == ["L", "M", "", "false", "lesion and age"]
    loads = regions(demo, "load_fraction")
    assert loads[0::2].max() > 0.05
    assert loads[1::2].max() == 0
    assert np.isnan(regions(demo, "pad_corrected_years")).all()
    assert not np.isfinite(nib.load(demo / "sub-demo_desc-pad_map.nii.gz").get_fdata()).any()


def test_the_case_keeps_within_four_gigabytes(demo):
    summary = json.loads((demo / "sub-demo_case.json").read_text(encoding="utf-8"))
    assert summary["provenance"]["peak_memory_mb"] < 4000
    assert set(summary["seconds"]) >= {"brain mask", "registration", "thickness", "ages", "write"}


def in_another_order(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The same image with its axes stored as superior, left, posterior."""
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(("S", "L", "P"))
    )
    return image.as_reoriented(turn)


def test_axes_stored_otherwise_are_the_same_voxels_to_every_step(tmp_path):
    nib.save(in_another_order(nib.load(COLIN)), tmp_path / "turned.nii.gz")
    one, other = (to_canonical(read_t1(path)[0]) for path in (COLIN, tmp_path / "turned.nii.gz"))
    np.testing.assert_array_equal(one.array, other.array)
    np.testing.assert_allclose(one.ras_from_ijk, other.ras_from_ijk, atol=1e-6)


@pytest.fixture(scope="module")
def mirrored(demo, out, tmp_path_factory) -> Path:
    """The demonstration's head and lesion mirrored and stored in another order, as a case of 40 years."""
    stored = {}
    for part, path in (("t1", COLIN), ("lesion", out / LESION_NAME)):
        image = nib.load(path)
        assert nib.aff2axcodes(image.affine)[0] in "LR"
        stored[part] = tmp_path_factory.mktemp("mirrored") / f"{part}.nii.gz"
        nib.save(in_another_order(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine)), stored[part])
    return run_case(stored["t1"], out, "mirrored", stored["lesion"])


def test_where_the_age_is_given_ages_stand_in_table_row_and_map(mirrored):
    assert_numbers_agree(mirrored)
    assert np.isfinite(regions(mirrored, "pad_corrected_years")).sum() >= 12


def test_a_mirrored_head_swaps_left_and_right_and_nothing_else(demo, mirrored, out):
    row = table.read_table(out / "processed_cases.csv")[-1]
    assert (row["case_id"], row["lesion_side"]) == ("mirrored", "R")
    swapped = np.arange(18).reshape(9, 2)[:, ::-1].ravel()
    # The template and its labels are not symmetric themselves, so the agreement is close, not exact.
    # Of a lesioned region different remnants are left on either side: thickness is compared where little is lost.
    loads, mirrored_loads = regions(demo, "load_fraction"), regions(mirrored, "load_fraction")[swapped]
    spared = np.maximum(loads, mirrored_loads) < 0.1
    assert spared.sum() >= 12
    thinner_mm = abs(regions(mirrored, "thickness_mm")[swapped] - regions(demo, "thickness_mm"))[spared]
    assert thinner_mm.max() <= 0.1
    assert np.median(abs(loads - mirrored_loads)) <= 0.005
    assert np.corrcoef(loads, mirrored_loads)[0, 1] >= 0.85
    assert regions(mirrored, "load_fraction")[0::2].max() == 0


def test_a_reports_pictures_are_inside_it(demo):
    report = (demo / "sub-demo_report.html").read_text(encoding="utf-8")
    pictures = re.findall(r"<img [^>]*>", report)
    assert len(pictures) >= 6
    assert all(re.search(r'src="data:image/(?:png|jpeg|svg\+xml);base64,', picture) for picture in pictures)


def test_a_lesion_outside_the_brain_is_refused_once_the_brain_is_known(out, tmp_path):
    head = nib.load(COLIN)
    mask = np.zeros(head.shape, np.uint8)
    mask[2:12, 2:12, 2:12] = 1
    path = tmp_path / "outside.nii.gz"
    nib.save(nib.Nifti1Image(mask, head.affine), path)
    words = ("--age", 40, "--sex", "M", "--id", "bad", "--out", out)
    code, _, said = run("case", "--t1", COLIN, "--lesion", path, *words)
    assert code == 2
    assert "outside.nii.gz" in said
    assert "outside" in said.splitlines()[-1]
    assert not (out / "sub-bad").exists()
