"""SUBJECTS_DIR to tables: made FreeSurfer folders come back as people; unreadable ones are named and left out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from made_up_subject import make_subject
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.people import People
from RegionalBrainAgeLib.age.people_table import read_people
from RegionalBrainAgeLib.age.subjects import read_subjects, write_people
from RegionalBrainAgeLib.errors import InputError


@pytest.fixture
def subjects(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("sub-01", "02", "sub-03"):
        make_subject(tmp_path / "subjects" / name, rng.uniform(2, 3, 148), volumes=name != "02")
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tsex\tsite\nsub-01\t40\tF\tA\n02\t50\t1\tA\n03\t60\tmale\tB\n04\t70\tF\tB\n05\told\tF\tB\n",
        encoding="utf-8",
    )
    return tmp_path


def test_people_come_with_thickness_and_the_volumes_there_are(subjects):
    people, skipped = read_subjects(subjects / "subjects", subjects / "participants.tsv")
    assert people.person.tolist() == ["sub-01", "02", "03"]
    assert people.site.tolist() == ["A", "A", "B"]
    assert people.male.tolist() == [0.0, 1.0, 1.0]
    assert people.values[0, NODE_NAMES.index("Left-Hippocampus")] == 1017.0
    assert np.isnan(people.values[1, 148:]).all()
    assert [line.split(":")[0] for line in skipped] == ["04", "05"]


def test_the_table_command_writes_what_train_reads(subjects):
    out = subjects / "people.csv"
    arguments = ["table", str(subjects / "subjects"), str(subjects / "participants.tsv"), "--out", str(out)]
    assert main(arguments) == 0
    read = read_people(out)
    people, _ = read_subjects(subjects / "subjects", subjects / "participants.tsv")
    np.testing.assert_allclose(read.values, people.values, atol=1e-3)
    np.testing.assert_array_equal(read.age_years, people.age_years)


def test_a_parcel_that_freesurfer_did_not_find_does_not_keep_a_table_from_training(tmp_path):
    rng = np.random.default_rng(0)
    values = np.full((60, len(NODE_NAMES)), np.nan)
    values[:, :148] = rng.uniform(2, 3, (60, 148))
    values[3, 7] = np.nan
    people = People(
        person=np.array([f"p{n}" for n in range(60)]),
        site=np.repeat(["A", "B"], 30),
        age_years=np.linspace(20, 80, 60),
        male=np.tile([0.0, 1.0], 30),
        values=values,
        lesioned_fraction=np.zeros(values.shape),
        lesion_volume_ml=np.zeros((60, 2)),
    )
    write_people(people, tmp_path / "people.csv")
    read = read_people(tmp_path / "people.csv", for_training=True)
    np.testing.assert_allclose(read.values, values, atol=1e-3)


def test_one_folder_under_two_names_is_one_person(subjects):
    table = subjects / "twice.tsv"
    table.write_text("participant_id\tage\tsex\nsub-01\t40\tF\n01\t40\tF\n", encoding="utf-8")
    with pytest.raises(InputError, match="1 people occur more than once"):
        read_subjects(subjects / "subjects", table)


def test_codes_of_the_sexes_that_may_mean_either_are_refused(subjects):
    table = subjects / "codes.tsv"
    table.write_text("participant_id\tage\tsex\tsite\n01\t40\t1\tn/a\n02\t40\t2\tn/a\n", encoding="utf-8")
    with pytest.raises(InputError, match="code 1 may stand for men or women"):
        read_subjects(subjects / "subjects", table)
    table.write_text("participant_id\tage\tsex\tsite\n01\t40\t1\tn/a\n02\t40\t0\tn/a\n", encoding="utf-8")
    people, _ = read_subjects(subjects / "subjects", table)
    assert (people.male.tolist(), people.site.tolist()) == ([1.0, 0.0], ["site", "site"])


def test_a_table_is_not_written_over_the_participants(subjects, capsys):
    participants = subjects / "participants.tsv"
    before = participants.read_bytes()
    assert main(["table", str(subjects / "subjects"), str(participants), "--out", str(participants)]) == 2
    assert "is an input of this command" in capsys.readouterr().err
    assert participants.read_bytes() == before


def test_a_folder_nobody_can_be_read_from_is_refused(subjects):
    with pytest.raises(InputError, match="Nobody"):
        read_subjects(subjects / "absent", subjects / "participants.tsv")


@pytest.fixture
def surfaces(subjects):
    """Surfaces of sub-01 and sub-03 whose spheres are fsaverage5's own, their vertices in another order."""
    pytest.importorskip("nilearn")
    from RegionalBrainAgeLib.age.vertices.mesh import sphere_points

    order = np.random.default_rng(0).permutation(10242)
    for name, number in (("sub-01", 1.0), ("sub-03", 3.0)):
        surf = subjects / "subjects" / name / "surf"
        surf.mkdir()
        for side, word in (("lh", "left"), ("rh", "right")):
            points = 100 * sphere_points(word)[order]
            nib.freesurfer.write_geometry(surf / f"{side}.sphere.reg", points, np.array([[0, 1, 2]]))
            nib.freesurfer.write_morph_data(surf / f"{side}.thickness", number + points[:, 2] / 100)
            nib.freesurfer.write_morph_data(surf / f"{side}.area", np.full(len(points), 0.5))
    return subjects


def test_vertex_features_of_a_sphere_are_those_at_its_places(surfaces):
    """Features come back in fsaverage5's order."""
    from RegionalBrainAgeLib.age.vertices.mesh import sphere_points
    from RegionalBrainAgeLib.age.vertices.people import read_vertex_people

    out = surfaces / "vertices"
    arguments = ["vertices", str(surfaces / "subjects"), str(surfaces / "participants.tsv"), "--out", str(out)]
    assert main(arguments) == 0
    people = read_vertex_people(out / "people.csv", out / "features.npy")
    assert people.person.tolist() == ["sub-01", "03"]
    assert people.features.shape == (2, 20484, 5)
    np.testing.assert_allclose(people.features[1, :10242, 0], 3.0 + sphere_points("left")[:, 2], atol=1e-3)
    np.testing.assert_allclose(people.features[0, :, 1], 0.5)
    assert np.isnan(people.features[:, :, 2:]).all()


def test_vertices_go_on_after_an_interruption_and_end_with_the_same_files(surfaces, monkeypatch):
    from RegionalBrainAgeLib.age.vertices import subjects as module

    table, real, read = surfaces / "participants.tsv", module.subject_features, []

    def interrupted(folder, targets):
        if read:
            raise KeyboardInterrupt
        read.append(folder.name)
        return real(folder, targets)

    def told(folder, targets):
        read.append(folder.name)
        return real(folder, targets)

    module.write_vertex_features(surfaces / "subjects", table, surfaces / "whole")
    monkeypatch.setattr(module, "subject_features", interrupted)
    with pytest.raises(KeyboardInterrupt):
        module.write_vertex_features(surfaces / "subjects", table, surfaces / "two")
    monkeypatch.setattr(module, "subject_features", told)
    assert module.write_vertex_features(surfaces / "subjects", table, surfaces / "two")[0] == 2
    assert [name for name in read if name != "02"] == ["sub-01", "sub-03"]
    for name in ("features.npy", "people.csv"):
        assert (surfaces / "two" / name).read_bytes() == (surfaces / "whole" / name).read_bytes()
    assert len(list((surfaces / "two").iterdir())) == 2
