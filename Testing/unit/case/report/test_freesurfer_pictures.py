"""Pictures where FreeSurfer measured: from the folder's own volumes, or on the template, which the report then says."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from made_up_head import made_up_result
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.regions import RegionScheme, load_scheme
from RegionalBrainAgeLib.case.report.page import report_html
from RegionalBrainAgeLib.case.report.pictures import ON_TEMPLATE, draw_pictures, scene_of
from RegionalBrainAgeLib.case.report.scene import Scene
from RegionalBrainAgeLib.case.result.result import CaseResult, ParcelResult
from RegionalBrainAgeLib.case.result.write_case import write_case
from RegionalBrainAgeLib.case.steps import Steps
from RegionalBrainAgeLib.resources import shipped

# Stored as FreeSurfer does: to the left, down, forwards.
STORED = np.array([[-2.0, 0, 0, 55], [0, 0, 2, -55], [0, -2, 0, 55], [0, 0, 0, 1]])
# FreeSurfer's codes (FreeSurferColorLUT.txt): here the precentral gyrus lies in front, occipital cortex behind.
LEFT_FRONT, RIGHT_FRONT, LEFT_BACK, RIGHT_BACK = 11129, 12129, 11102, 12102
THICKNESS_MM = {"lh_G_precentral": 3.1, "rh_G_precentral": 2.2, "lh_G_and_S_occipital_inf": 1.7}


@pytest.fixture(scope="module")
def scheme(tmp_path_factory) -> RegionScheme:
    lines = shipped("Schemes", "nine-networks.tsv").read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.mktemp("scheme") / "two.tsv"
    path.write_text("\n".join(x for x in lines if x.startswith(("region\t", "SMN_", "VIS_"))) + "\n", encoding="utf-8")
    return load_scheme(path)


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """The volumes of a FreeSurfer folder: an ellipsoid brain with two parcels on each side."""
    folder = tmp_path_factory.mktemp("subject")
    ijk = np.stack(np.meshgrid(*[np.arange(56)] * 3, indexing="ij"), -1)
    x, y, z = np.moveaxis(ijk @ STORED[:3, :3].T + STORED[:3, 3], -1, 0)
    brain = (x / 26) ** 2 + (y / 34) ** 2 + (z / 24) ** 2 < 1
    cortex = brain & ((x / 20) ** 2 + (y / 28) ** 2 + (z / 18) ** 2 > 1)
    front, back = cortex & (y > 6), cortex & (y < -6)
    codes = np.select(
        [front & (x < -2), front & (x > 2), back & (x < -2), back & (x > 2)],
        [LEFT_FRONT, RIGHT_FRONT, LEFT_BACK, RIGHT_BACK],
        0,
    )
    (folder / "mri").mkdir()
    texture = np.random.default_rng(0).normal(0, 3, brain.shape)
    for name, array in (("brainmask", np.where(brain, 100 + texture, 0)), ("aparc.a2009s+aseg", codes)):
        nib.save(nib.MGHImage(array.astype(np.float32), STORED), folder / "mri" / f"{name}.mgz")
    return folder


def result_of(folder) -> CaseResult:
    made = made_up_result("none", estimable=True)
    regions = tuple(
        replace(row, region=row.region.replace("FPN", "SMN"), network=row.network.replace("FPN", "SMN"))
        for row in made.regions
    )
    asymmetries = tuple(replace(a, network=a.network.replace("FPN", "SMN")) for a in made.asymmetries)
    parcels = tuple(ParcelResult(name, "L", THICKNESS_MM.get(name, 2.5), 0.0, 100) for name in PARCEL_NAMES)
    case = replace(made.case, t1=None, freesurfer=folder)
    return replace(made, case=case, regions=regions, asymmetries=asymmetries, parcels=parcels)


def middle_of(where: np.ndarray, scene: Scene) -> np.ndarray:
    """RAS (mm) of the middle of some voxels of the scene."""
    return scene.ras_from_ijk[:3, :3] @ np.argwhere(where).mean(axis=0) + scene.ras_from_ijk[:3, 3]


def test_a_folder_with_volumes_is_drawn_from_them(subject, scheme):
    scene, told = scene_of(result_of(subject), scheme, None)
    assert told == ""
    names = [region.name for region in scheme.regions]
    # Precentral cortex is sensorimotor, inferior occipital cortex visual; left is at negative x, front at positive y.
    signs = {"SMN_L": (-1, 1), "SMN_R": (1, 1), "VIS_L": (-1, -1), "VIS_R": (1, -1)}
    for number, name in enumerate(names, start=1):
        x, y, _ = middle_of(scene.region == number, scene)
        assert (np.sign(x), np.sign(y)) == signs[name], name


def test_thickness_of_a_parcel_is_drawn_on_that_parcel(subject, scheme):
    scene, _ = scene_of(result_of(subject), scheme, None)
    for name, thickness_mm in THICKNESS_MM.items():
        drawn = np.isclose(scene.thickness, thickness_mm)
        x, y, _ = middle_of(drawn, scene)
        assert (x < 0) == name.startswith("lh_"), name
        assert (y > 0) == ("precentral" in name), name
        assert np.array_equal(drawn, scene.parcel == PARCEL_NAMES.index(name) + 1)


def test_every_picture_of_the_measurement_is_in_the_report(subject, scheme):
    result = result_of(subject)
    scene, told = scene_of(result, scheme, None)
    pictures = draw_pictures(result, scene)
    assert set(pictures) == {"map.jpg", "mask.jpg", "registration.jpg", "thickness.jpg"}  # nothing was registered
    html = report_html(result, pictures, "", told)
    assert html.count('src="data:image/jpeg') == 4
    assert ON_TEMPLATE not in html


def test_statistics_alone_are_drawn_on_the_template_and_the_report_says_so(tmp_path, scheme):
    result = result_of(tmp_path)
    scene, told = scene_of(result, scheme, None)
    assert told == ON_TEMPLATE
    assert np.isclose(scene.thickness, 3.1).sum() > 1000  # the left precentral gyrus of the template
    assert middle_of(np.isclose(scene.thickness, 3.1), scene)[0] < -20
    pictures = draw_pictures(result, scene, of_this_head=not told)
    assert set(pictures) == {"map.jpg", "thickness.jpg"}  # nothing of it can tell whether the measurement is sound
    html = report_html(result, pictures, "", told)
    assert html.count(ON_TEMPLATE) == 2
    assert "Is the measurement sound?" not in html


def test_the_folders_volumes_are_found_although_only_its_name_is_written(subject, scheme, tmp_path):
    """Paths often tell who a patient is, so results hold names; the pictures still come from the folder."""
    result = result_of(subject)
    (tmp_path / "sub-07").mkdir()
    result = replace(
        result,
        provenance={
            **result.provenance,
            "inputs": {"freesurfer": {"path": str(subject), "bytes": 10, "sha256": "a" * 64}},
        },
    )
    written = write_case(tmp_path / "sub-07", tmp_path / "out", result, scheme, None, None, Steps(), interactive=False)
    assert written.case.freesurfer.name == str(written.case.freesurfer) == subject.name
    html = (tmp_path / "sub-07" / "sub-07_report.html").read_text(encoding="utf-8")
    assert ON_TEMPLATE not in html
    assert str(subject) not in html
