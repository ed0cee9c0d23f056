"""Lists of cases: CSV as people write it, BIDS datasets as people keep them, and what is said when they are wrong."""

from __future__ import annotations

import pytest
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.structures import STRUCTURE_NAMES
from RegionalBrainAgeLib.batch.lists.bids import read_dataset
from RegionalBrainAgeLib.batch.lists.case_list import FailedCase, read_case_list, sessions_by_person, split_session
from RegionalBrainAgeLib.batch.lists.parcel_lists import read_measured
from RegionalBrainAgeLib.batch.run.memory import RESERVE_MB, available_mb, fits
from RegionalBrainAgeLib.errors import InputError


def write(path, text="", encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def test_paths_are_relative_to_the_list_wherever_it_is_read_from(tmp_path, monkeypatch):
    write(tmp_path / "data" / "heads" / "a.nii")
    path = write(tmp_path / "data" / "cases.csv", "case_id,t1,age,sex\na,heads/a.nii,50,F\n")
    monkeypatch.chdir(tmp_path)
    [planned] = read_case_list(path).cases
    assert planned.case.t1 == tmp_path / "data" / "heads" / "a.nii"
    assert planned.line == 2


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_a_byte_order_mark_are_taken_as_they_come(tmp_path, separator, encoding):
    write(tmp_path / "a.nii")
    text = "Case_ID,T1,Age,Sex,site\r\na,a.nii,50,female,Köln\r\n\r\n".replace(",", separator)
    path = write(tmp_path / "cases.csv", text, encoding)
    [planned] = read_case_list(path).cases
    assert (planned.case.sex, planned.case.site) == ("F", "Köln")


def test_sessions_of_a_person_are_cases_of_their_own(tmp_path):
    write(tmp_path / "a.nii")
    path = write(
        tmp_path / "c.csv", "case_id,t1,age,sex,session\nP1,a.nii,50,F,1\nP1,a.nii,51,F,ses-2\nP2,a.nii,9,M,\n"
    )
    found = read_case_list(path)
    assert [planned.case.case_id for planned in found.cases] == ["P1_ses-1", "P1_ses-2", "P2"]
    assert found.broken == ()
    assert split_session("sub-P1_ses-2") == ("P1", "2")
    assert sessions_by_person(["P1_ses-1", "P2_ses-1", "P1_ses-2"]) == {"P1": ["P1_ses-1", "P1_ses-2"]}


def test_one_person_under_several_spellings_is_one_case(tmp_path):
    write(tmp_path / "a.nii")
    rows = "".join(f"{name},a.nii,50,F\n" for name in ("s1", "sub-s1", "SUB-s1", "S1", "s2"))
    found = read_case_list(write(tmp_path / "c.csv", "case_id,t1,age,sex\n" + rows))
    assert [planned.case.case_id for planned in found.cases] == ["s1", "s2"]
    assert [broken.line for broken in found.broken] == [3, 4, 5]
    assert all("already in line 2" in broken.reason for broken in found.broken)


def test_measured_lesion_columns_are_not_taken_for_masks(tmp_path):
    write(tmp_path / "a.nii")
    text = "case_id,t1,age,sex,lesion_side,lesion_volume_ml\ns1,a.nii,50,F,L,3\n"
    assert len(read_case_list(write(tmp_path / "c.csv", text)).cases) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("case_id,t1,age,sex\n", "no cases"),
        ("case_id,t1,sex\na,b,F\n", "lacks the column(s) age"),
        ("case_id,age,sex\na,50,F\n", "t1 (or freesurfer)"),
        ("case_id,t1,age,age,sex\na,b,1,2,F\n", "twice"),
        ("case_id,t1,lesion_mask,age,sex\na,b,c,1,F\n", "no column lesion, but one called 'lesion_mask'"),
        ("case_id,t1,ROI (nii),age,sex\na,b,c,1,F\n", "no column lesion, but one called 'roi (nii)'"),
        ("case_id,t1,age,sex\na,b,50,H\nc,b,50,M\n", "the letter M may stand for women"),
        ("case_id,t1,age,sex\na,b,50,v\nc,b,50,m\n", "the letter M may stand for women"),
    ],
)
def test_a_list_that_is_wrong_as_a_whole_is_refused(tmp_path, text, word):
    with pytest.raises(InputError) as caught:
        read_case_list(write(tmp_path / "cases.csv", text))
    assert word in str(caught.value)


def test_a_list_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "cases.csv").write_bytes(b"case_id,t1,age,sex\n\xff\xfe\x00,a,5,F\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_case_list(tmp_path / "cases.csv")


def test_a_decimal_comma_in_one_row_costs_only_that_row(tmp_path):
    write(tmp_path / "a.nii")
    found = read_case_list(write(tmp_path / "c.csv", "case_id;t1;age;sex\na;a.nii;50,5;F\nb;a.nii;50.5;F\n"))
    assert [planned.case.case_id for planned in found.cases] == ["b"]
    assert "decimals with a point" in found.broken[0].reason


@pytest.fixture
def dataset(tmp_path):
    write(
        tmp_path / "participants.tsv",
        "participant_id\tage\tsex\tsite\nsub-01\t61\tF\tx\nsub-02\t70\tM\tx\nsub-03\tn/a\tM\tx\nsub-04\t55\tF\tx\n"
        "sub-05\t50\tF\tx\nsub-06\t50\tF\tx\nsub-07\t50\tF\tx\n",
    )
    for name in ("01", "03", "04", "05", "06", "07", "99"):
        write(tmp_path / f"sub-{name}" / "anat" / f"sub-{name}_T1w.nii.gz")
    for session in ("1", "2"):
        write(tmp_path / "sub-02" / f"ses-{session}" / "anat" / f"sub-02_ses-{session}_T1w.nii.gz")
    write(tmp_path / "sub-02" / "sub-02_sessions.tsv", "session_id\tage\nses-1\t70\nses-2\t71.5\n")
    write(tmp_path / "sub-01" / "anat" / "sub-01_label-lesion_mask.nii.gz")
    derived = tmp_path / "derivatives" / "lesions"
    write(derived / "sub-02" / "ses-2" / "anat" / "sub-02_ses-2_space-T1w_desc-lesion_mask.nii.gz")
    write(derived / "sub-04" / "anat" / "sub-04_space-MNI152NLin2009aSym_label-L_desc-T1lesion_mask.nii.gz")
    write(derived / "sub-05" / "anat" / "sub-05_desc-lesion_mask.nii.gz")
    write(derived / "sub-05" / "anat" / "sub-05_rater-2_lesion_mask.nii.gz")
    write(derived / "sub-06" / "anat" / "sub-06_desc-brain_mask.nii.gz")
    write(tmp_path / "sub-07" / "anat" / "sub-07_acq-fast_T1w.nii.gz")
    return tmp_path


def test_a_dataset_gives_heads_facts_and_masks_by_the_rule(dataset):
    found = read_dataset(dataset)
    cases = {planned.case.case_id: planned for planned in found.cases}
    assert list(cases) == ["01", "02_ses-1", "02_ses-2", "06", "07"]
    assert cases["01"].case.lesion.name == "sub-01_label-lesion_mask.nii.gz"
    assert cases["02_ses-1"].case.lesion is None
    assert cases["02_ses-2"].case.lesion.name.startswith("sub-02_ses-2_space-T1w")
    assert (cases["02_ses-1"].case.age_years, cases["02_ses-2"].case.age_years) == (70, 71.5)
    assert cases["06"].case.lesion is None  # a brain mask is no lesion
    assert "no lesion mask" in cases["06"].notes[-1]
    assert cases["07"].case.t1.name == "sub-07_T1w.nii.gz"
    assert "2 T1-weighted heads" in cases["07"].notes[0]
    assert "3 of 5 heads have no lesion mask" in found.remarks[0]


def test_what_a_dataset_leaves_unclear_is_set_aside_with_its_reason(dataset):
    reasons = {case.case_id: case.reason for case in read_dataset(dataset).broken}
    assert set(reasons) == {"03", "04", "05", "99"}
    assert "age is missing" in reasons["03"]
    assert "another space" in reasons["04"]
    assert "Several lesion masks" in reasons["05"]
    assert "not in participants.tsv" in reasons["99"]


def test_heads_without_a_mask_can_be_set_aside(dataset):
    found = read_dataset(dataset, require_lesion=True)
    assert [planned.case.case_id for planned in found.cases] == ["01", "02_ses-2"]


def test_a_folder_of_derivatives_that_is_not_there_makes_no_healthy_heads(dataset):
    for name in ("rater-1", "*"):
        with pytest.raises(InputError, match=r"There is no folder .* Give one of lesions\."):
            read_dataset(dataset, derivatives=name)
    assert len(read_dataset(dataset, derivatives="lesions").cases) > 0


def test_atlas_style_cohort_folders_and_a_common_template_space_are_found(tmp_path):
    write(tmp_path / "participants.tsv", "participant_id\tage\tsex\nsub-r001s001\t60\tF\n")
    stem = "sub-r001s001_ses-1_space-MNI152NLin2009aSym"
    anat = tmp_path / "R001" / "sub-r001s001" / "ses-1" / "anat"
    write(anat / f"{stem}_T1w.nii.gz")
    write(anat / f"{stem}_label-L_desc-T1lesion_mask.nii.gz")
    [planned] = read_dataset(tmp_path).cases
    assert planned.case.case_id == "r001s001_ses-1"
    assert planned.case.lesion.name == f"{stem}_label-L_desc-T1lesion_mask.nii.gz"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("participant_id\tage\tAge\tsex\nsub-1\t60\t20\tF\n", "column age twice"),
        ("participant_id\tage\tsex\nsub-1\t60\tH\nsub-2\t61\tM\n", "the letter M may stand for women"),
        ("participant_id\tage\tsex\nsub-1\t60\t1\nsub-2\t61\t2\n", "the code 1 may stand for men or women"),
    ],
)
def test_participants_of_two_meanings_are_refused(tmp_path, table, said):
    write(tmp_path / "participants.tsv", table)
    write(tmp_path / "sub-1" / "anat" / "sub-1_T1w.nii.gz")
    with pytest.raises(InputError, match=said):
        read_dataset(tmp_path)


def test_a_link_without_content_is_told(tmp_path):
    write(tmp_path / "participants.tsv", "participant_id\tage\tsex\nsub-1\t60\tF\n")
    (tmp_path / "sub-1" / "anat").mkdir(parents=True)
    (tmp_path / "sub-1" / "anat" / "sub-1_T1w.nii.gz").symlink_to("../../.git/annex/missing")
    assert "link without content" in read_dataset(tmp_path).broken[0].reason


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no participants\.tsv"):
        read_dataset(tmp_path)


def test_running_cases_keep_the_memory_they_may_still_need():
    assert fits(3000, [], 3000 + RESERVE_MB)
    assert not fits(3000, [], 2999 + RESERVE_MB)
    assert not fits(3000, [1000], 5000)  # 2000 of the free 5000 are promised to the running one
    assert fits(3000, [3000], 5000)
    assert 0 < available_mb() < 1e8


def wide_list(path, **volumes: float):
    """A list of one measured person: all parcels 2.5 mm thick, and volumes in these columns."""
    header = ["case_id", "age", "sex", *PARCEL_NAMES, *volumes]
    return write(path, ",".join(header) + "\n" + ",".join(map(str, ["P1", 50, "F", *[2.5] * 148, *volumes.values()])))


@pytest.mark.parametrize(
    ("hippocampus", "thalamus", "head"),
    [
        ("Left-Hippocampus", "Left-Thalamus", "EstimatedTotalIntraCranialVol"),
        ("vol:Left-Hippocampus", "vol:Left-Thalamus-Proper", "eTIV"),
    ],
)
def test_volumes_of_a_wide_list_are_read_under_the_names_of_freesurfers_tools(tmp_path, hippocampus, thalamus, head):
    volumes = {hippocampus: 4000, thalamus: 7000, head: 1.5e6, "TotalGrayVol": 6e5}
    [person] = read_measured(wide_list(tmp_path / "c.csv", **volumes), calibration=None, freesurfer_thickness=True)
    found = dict(zip(STRUCTURE_NAMES, person.volumes_mm3, strict=True))
    assert (found["Left-Hippocampus"], found["Left-Thalamus"], person.intracranial_mm3) == (4000, 7000, 1.5e6)
    # Each side counts as half of what is given for both.
    assert (found["Left-Gray-Matter"], found["Right-Gray-Matter"]) == (3e5, 3e5)


@pytest.mark.parametrize(
    "told",
    [
        {"lesion_volume_ml": 40},
        {"load_cst": 0.5},
        {"load_ipsi_smn": 0.1},
        {"lesion_volume_ml": 40, "lesion_side": "none"},
    ],
)
def test_a_lesion_that_is_told_without_its_side_is_not_taken_for_none(tmp_path, told):
    [broken] = read_measured(wide_list(tmp_path / "c.csv", **told), calibration=None, freesurfer_thickness=True)
    assert isinstance(broken, FailedCase)
    assert "but there is no lesion_side" in broken.reason


def test_a_row_that_is_wrong_is_named_as_its_case_would_be(tmp_path):
    path = write(tmp_path / "c.csv", "case_id,t1,age,sex,session\nsub-P1,absent.nii,50,F,2\n")
    assert [broken.case_id for broken in read_case_list(path).broken] == ["P1_ses-2"]


def test_volumes_of_a_wide_list_in_millilitres_are_refused(tmp_path):
    path = wide_list(tmp_path / "c.csv", EstimatedTotalIntraCranialVol=1500)
    [broken] = read_measured(path, calibration=None, freesurfer_thickness=True)
    assert isinstance(broken, FailedCase)
    assert "EstimatedTotalIntraCranialVol is 1500. Give cubic millimetres" in broken.reason
