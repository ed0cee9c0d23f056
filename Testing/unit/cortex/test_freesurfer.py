"""FreeSurfer and FastSurfer folders: real ones where at hand, and small ones written here with known answers."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.cortex.freesurfer import read_subject
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.geometry.image import Image

LEFT = [name.removeprefix("lh_") for name in PARCEL_NAMES[:74]]


def write_stats(folder, side, thickness=2.5, names=LEFT):
    (folder / "stats").mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"{n.replace('_and_', '&')} 100 80 200 {thickness + i / 100:.3f} 0.5" for i, n in enumerate(names))
    text = (
        f"# Title Segmentation Statistics\n# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg ThickStd\n{rows}\n"
    )
    (folder / "stats" / f"{side}.aparc.a2009s.stats").write_text(text, encoding="utf-8")


def write_surface(folder, side, per_parcel=40, white_x=None):
    """74 parcels of `per_parcel` vertices, parcel i 2 + i/100 mm thick, then 10 vertices of medial wall."""
    for part in ("surf", "label"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    names = [b"Unknown", *(name.encode() for name in LEFT), b"Medial_wall"]
    label = np.concatenate([np.repeat(np.arange(1, 75), per_parcel), np.full(10, 75)])
    thickness = np.concatenate([np.repeat(2 + np.arange(74) / 100, per_parcel), np.zeros(10)])
    table = np.zeros((len(names), 5), int)
    table[:, 0] = np.arange(1, len(names) + 1)
    nib.freesurfer.write_morph_data(folder / "surf" / f"{side}.thickness", thickness.astype(np.float32))
    nib.freesurfer.write_annot(folder / "label" / f"{side}.aparc.a2009s.annot", label, table, names, fill_ctab=True)
    if white_x is not None:
        points = np.zeros((len(label), 3), np.float32)
        points[:, 0] = white_x
        nib.freesurfer.write_geometry(folder / "surf" / f"{side}.white", points, np.array([[0, 1, 2]]))


def write_labels(folder):
    """Label volume of 60 x 40 x 20 mm, oblique origin: left precentral (11129) at i < 20, right (12129) at i >= 40."""
    (folder / "mri").mkdir(parents=True, exist_ok=True)
    labels = np.zeros((60, 40, 20), np.int32)
    labels[:20], labels[40:] = 11129, 12129
    affine = np.array([[-1.0, 0, 0, 50], [0, 0, 1, -20], [0, -1, 0, 30], [0, 0, 0, 1]])
    nib.save(nib.MGHImage(labels, affine), folder / "mri" / "aparc.a2009s+aseg.mgz")
    return Image(labels, affine)


@pytest.fixture
def subject(tmp_path):
    for side in ("lh", "rh"):
        write_stats(tmp_path, side, 2.0 if side == "lh" else 3.0)
    return tmp_path


def test_stats_give_every_parcel_its_own_row(subject):
    features = read_subject(subject)
    expected = np.concatenate([2.0 + np.arange(74) / 100, 3.0 + np.arange(74) / 100])
    np.testing.assert_allclose(features.thickness_mm, expected)
    assert np.all(features.voxels == 100)
    assert not features.lesioned_fraction.any()


def test_a_parcel_absent_from_the_table_is_missing_not_guessed(subject):
    write_stats(subject, "lh", 2.0, LEFT[:-1])
    features = read_subject(subject)
    assert np.isnan(features.thickness_mm[73])
    assert np.isfinite(np.delete(features.thickness_mm, 73)).all()


def test_tables_of_different_subjects_in_one_folder_are_refused(subject):
    """FreeSurfer names the subject in each; a folder may be renamed, its tables must still agree."""
    stats = subject / "stats"

    def name(table, who):
        text = "\n".join(line for line in table.read_text(encoding="utf-8").splitlines() if "subjectname" not in line)
        table.write_text(f"# subjectname {who}\n{text}\n", encoding="utf-8")

    name(stats / "lh.aparc.a2009s.stats", "bert")
    assert np.isfinite(read_subject(subject).thickness_mm).all()  # the right one names nobody
    name(stats / "rh.aparc.a2009s.stats", "bert")
    assert np.isfinite(read_subject(subject).thickness_mm).all()
    name(stats / "rh.aparc.a2009s.stats", "ernie")
    with pytest.raises(InputError, match=r"different subjects.*lh.*bert.*rh.*ernie"):
        read_subject(subject)
    name(stats / "rh.aparc.a2009s.stats", "bert")
    (stats / "aseg.stats").write_text("# subjectname ernie\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"different subjects.*aseg\.stats of ernie"):
        read_subject(subject)


@pytest.mark.parametrize("told", ["hemi rh", "AnnotationFile ../label/rh.aparc.a2009s.annot"])
def test_a_table_of_the_other_hemisphere_is_refused(subject, told):
    table = subject / "stats" / "lh.aparc.a2009s.stats"
    text = table.read_text(encoding="utf-8")
    table.write_text(f"# {told.replace('rh', 'lh')}\n{text}", encoding="utf-8")
    assert np.isfinite(read_subject(subject).thickness_mm).all()
    table.write_text(f"# {told}\n{text}", encoding="utf-8")
    with pytest.raises(InputError, match="not of the left hemisphere"):
        read_subject(subject)


def test_surfaces_with_annotation_serve_where_there_are_no_stats(tmp_path):
    for side in ("lh", "rh"):
        write_surface(tmp_path, side)
    features = read_subject(tmp_path)
    np.testing.assert_allclose(features.thickness_mm[:74], 2 + np.arange(74) / 100, atol=1e-5)
    assert np.all(features.voxels == 40)


def test_damaged_parcels_are_missing_and_the_damage_is_counted_through_ras(subject):
    labels = write_labels(subject)
    fine = np.zeros((120, 80, 40), bool)  # the lesion on another grid: half the spacing, other orientation
    fine_affine = labels.ras_from_ijk @ np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:10] = True  # 5 of the 20 mm of the left precentral parcel
    features = read_subject(subject, Image(fine, fine_affine))
    precentral = LEFT.index("G_precentral")
    assert features.lesioned_fraction[precentral] == pytest.approx(0.25, abs=0.03)
    assert np.isnan(features.thickness_mm[precentral])
    assert features.lesioned_fraction[74 + precentral] == 0
    assert np.isfinite(features.thickness_mm).sum() == 147


def test_with_a_white_surface_only_the_vertices_near_the_lesion_are_left_out(tmp_path):
    for side in ("lh", "rh"):
        write_surface(tmp_path, side, white_x=100.0)
    labels = write_labels(tmp_path)
    header = nib.load(tmp_path / "mri" / "aparc.a2009s+aseg.mgz").header
    precentral = LEFT.index("G_precentral")
    # Ten of the parcel's forty vertices lie in the lesion at scanner RAS (50, -10, 10), found from surface coordinates.
    surface_from_ras = header.get_vox2ras_tkr() @ np.linalg.inv(header.get_vox2ras())
    points, faces = nib.freesurfer.read_geometry(tmp_path / "surf" / "lh.white")
    points[precentral * 40 : precentral * 40 + 10] = (surface_from_ras @ [50, -10, 10, 1])[:3]
    nib.freesurfer.write_geometry(tmp_path / "surf" / "lh.white", points, faces)
    thickness = nib.freesurfer.read_morph_data(tmp_path / "surf" / "lh.thickness")
    thickness[precentral * 40 : precentral * 40 + 10] = 4.9  # what the lesion left there
    nib.freesurfer.write_morph_data(tmp_path / "surf" / "lh.thickness", thickness)
    lesion = np.zeros(labels.shape, bool)
    lesion[:2] = True
    features = read_subject(tmp_path, labels.like(lesion))
    assert features.thickness_mm[precentral] == pytest.approx(2 + precentral / 100, abs=1e-4)
    assert features.voxels[precentral] == 30


def test_a_lesion_without_the_label_volume_is_refused(subject):
    lesion = Image(np.ones((5, 5, 5), bool), np.eye(4))
    with pytest.raises(InputError, match=r"no mri/aparc\.a2009s\+aseg\.mgz.*mri_aparc2aseg"):
        read_subject(subject, lesion)


def test_a_fastsurfer_folder_without_destrieux_says_what_to_run(tmp_path):
    (tmp_path / "stats").mkdir()
    (tmp_path / "stats" / "lh.aparc.DKTatlas.mapped.stats").write_text("# ColHeaders StructName\n", encoding="utf-8")
    with pytest.raises(InputError, match="--fsaparc"):
        read_subject(tmp_path)


def test_damaged_or_foreign_files_are_refused_by_name(subject, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_subject(tmp_path / "nobody")
    stats = subject / "stats" / "lh.aparc.a2009s.stats"
    good = stats.read_text(encoding="utf-8")
    for text, message in (
        ("hello", "not a parcel table"),
        (good[: len(good) // 2] + "\nG_rectus 12 broken\n", "damaged line"),
        (good.replace(LEFT[5].replace("_and_", "&") + " 100 80 200 2", LEFT[5] + " 100 80 200 22"), "outside"),
    ):
        stats.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_subject(subject)
    write_stats(subject, "lh", 2.0, ["bankssts", "cuneus", "fusiform"])
    with pytest.raises(InputError, match="does not hold the Destrieux parcels"):
        read_subject(subject)


@pytest.mark.data
def test_a_real_subject_gives_freesurfers_own_numbers(shared_data):
    """Oracle: the table read with numpy, row by row, in FreeSurfer's own order."""
    folder = shared_data / "heads" / "freesurfer" / "sub-0001"
    features = read_subject(folder)
    for first, side in ((0, "lh"), (74, "rh")):
        table = np.genfromtxt(folder / "stats" / f"{side}.aparc.a2009s.stats", dtype=str)
        np.testing.assert_allclose(features.thickness_mm[first : first + 74], table[:, 4].astype(float))
        assert [n[3:] for n in PARCEL_NAMES[first : first + 74]] == [n.replace("&", "_and_") for n in table[:, 0]]


@pytest.mark.data
def test_a_lesion_over_one_real_gyrus_takes_that_gyrus(shared_data, tmp_path):
    folder = shared_data / "heads" / "freesurfer" / "sub-0001"
    shutil.copytree(folder / "stats", tmp_path / "stats")
    (tmp_path / "mri").symlink_to(folder / "mri")
    file = nib.load(folder / "mri" / "aparc.a2009s+aseg.mgz")
    lesion = Image(np.asarray(file.dataobj) == 12129, file.affine)  # right precentral gyrus
    features = read_subject(tmp_path, lesion)
    gyrus = PARCEL_NAMES.index("rh_G_precentral")
    assert features.lesioned_fraction[gyrus] == 1.0
    assert np.sum(features.lesioned_fraction > 0) == 1
    missing = {PARCEL_NAMES[i] for i in np.flatnonzero(np.isnan(features.thickness_mm))}
    assert "rh_G_precentral" in missing
    assert all(name.startswith("rh_") for name in missing)
