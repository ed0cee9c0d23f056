"""What people do to a table before it is read, and the sentence each mistake gets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.analysis import run
from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeCohortLib.statistics.mixed_models import volume_models
from RegionalBrainAgeLib.errors import InputError
from shared_folder import REFERENCE

REFERENCE_DATA = REFERENCE / "data"


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.read_csv(REFERENCE_DATA / "typical.csv").head(60)


@pytest.fixture
def read(tmp_path):
    def write_and_read(frame: pd.DataFrame, settings: Settings | None = None, **how):
        path = tmp_path / "processed_cases.csv"
        frame.to_csv(path, index=False, **how)
        return read_cohort(path, settings)

    return write_and_read


def sentences(cohort) -> str:
    return "\n".join(finding.sentence for finding in cohort.findings)


def test_networks_come_from_the_header_whatever_their_codes(frame, read):
    renamed = frame.rename(columns=lambda c: c.replace("_fpn", "_my_net-2"))
    cohort = read(renamed)
    assert cohort.networks == ("my_net-2", "van", "sal")
    assert cohort.pads[0] == "pad_ipsi_my_net-2"
    assert len(cohort.loads) == 7


@pytest.mark.parametrize(
    "how",
    [
        {"sep": ";", "decimal": ",", "encoding": "utf-8-sig"},
        {"sep": "\t"},
        {"sep": ",", "encoding": "utf-16"},
        {"sep": ",", "decimal": ","},
    ],
    ids=["European with byte-order mark", "tabs", "UTF-16", "quoted decimal commas"],
)
def test_the_same_table_saved_in_other_ways_reads_the_same(frame, read, how):
    pd.testing.assert_frame_equal(read(frame).data, read(frame, **how).data)


def test_unquoted_decimal_commas_are_refused_with_the_remedy(frame, tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("case_id,site,age,sex,pad_ipsi_fpn\nc1,a,63,F,1,5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"Line 2 .*Decimal commas"):
        read_cohort(path)


def test_columns_without_a_name_are_no_fault(frame, read):
    nameless = frame.copy()
    nameless.insert(2, "first", "x")
    nameless.insert(4, "second", "y")
    pd.testing.assert_frame_equal(
        read(nameless.rename(columns={"first": "", "second": ""})).data[read(frame).data.columns], read(frame).data
    )


def test_a_column_that_mixes_decimal_marks_is_refused(frame, read):
    mixed = frame.astype({"pad_ipsi_fpn": object})
    mixed.loc[3, "pad_ipsi_fpn"] = "1,5"
    with pytest.raises(InputError, match=r"mixes decimal commas .*column pad_ipsi_fpn"):
        read(mixed)


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "NaN", "-999", "#N/A"])
def test_every_way_to_write_missing_is_missing(frame, read, missing):
    text = frame.astype({"pad_ipsi_fpn": object, "sex": object})
    text.loc[0, "pad_ipsi_fpn"] = missing
    cohort = read(text)
    assert np.isnan(cohort.data.loc[0, "pad_ipsi_fpn"])
    assert "1 case(s) lack at least one regional PAD" in sentences(cohort)


def test_missing_words_in_a_text_column_of_ones_own_are_missing_and_none_is_an_answer(frame, read):
    hand = np.resize(["R", "L"], 60).astype(object)
    hand[[3, 8, 21]] = "", "n/a", "NA"
    cohort = read(frame.assign(hand=hand, aphasia=np.resize(["none", "mild", "?"], 60), notes=""))
    assert cohort.data["hand"].isna().to_numpy().nonzero()[0].tolist() == [3, 8, 21]
    assert cohort.data["aphasia"].value_counts().to_dict() == {"none": 20, "mild": 20}
    table = volume_models(cohort.data, ["pad_ipsi_fpn"], ["hand"])
    assert set(table["term"]) == {"intercept", "log_lesion_volume", "hand_R", "days_post_stroke"}
    assert set(table["n"]) == {57}
    assert "Column notes is empty" in sentences(read(frame.assign(notes="NA"), Settings(covariates=("notes",))))


def test_an_odd_cell_among_the_numbers_of_a_covariate_is_named(frame, read):
    education = np.resize(range(8, 21), 60).astype(object)
    education[7] = "unk."
    odd = frame.assign(education=education)
    asked = [Settings(covariates=("age", "education")), Settings(group_covariates=("education",)),
             Settings(formula="age * education"), Settings(sem_model="motor ~ education")]  # fmt: skip
    for settings in asked:
        with pytest.raises(InputError, match=r"row 9, column education: 'unk\.'"):
            read(odd, settings)
    assert len(read(odd).data) == 60
    grades = frame.assign(grade=np.resize(["1", "2a", "2b"], 60))
    assert read(grades, Settings(covariates=("grade",))).data["grade"].nunique() == 3


@pytest.mark.parametrize("source", ["sex", "lesion_volume_ml", "motor"])
def test_columns_named_like_made_ones_are_not_used_and_said(frame, read, source):
    made = dict.fromkeys(("sex_M", "log_lesion_volume", "severe", "group_mild", "comparable"), 7)
    table = frame if source == "sex" else frame.drop(columns=source)
    mine, plain = read(table.assign(**made)), read(table)
    pd.testing.assert_frame_equal(mine.data, plain.data)
    for name in made:
        assert f"Column {name} is not used" in sentences(mine)
        assert f"Column {name} is not used" not in sentences(plain)


@pytest.mark.parametrize("covariates", [("age", "log_lesion_volume"), ("sex", "sex_M"), ("sex_M", "sex", "age", "age")])
def test_a_covariate_named_twice_counts_once_and_is_no_combination(frame, read, covariates):
    cohort = read(frame, Settings(covariates=covariates))
    assert "collinear" not in sentences(cohort)
    table = volume_models(cohort.data, ["pad_ipsi_fpn"], covariates)
    assert not table.duplicated(["model", "term"]).any()
    assert "rank deficient" not in set(table["status"])


def test_a_cell_that_is_no_number_is_named(frame, read):
    text = frame.astype({"age": object})
    text.loc[4, "age"] = "89+"
    with pytest.raises(InputError, match=r"row 6, column age: '89\+'"):
        read(text)


def test_duplicated_case_ids_are_named(frame, read):
    frame.loc[5, "case_id"] = frame.loc[4, "case_id"]
    with pytest.raises(InputError, match=r"c0005 \(2 times\).*counted twice"):
        read(frame)


@pytest.mark.parametrize(
    ("one", "other"),
    [("p1", "sub-p1"), ("p1", "SUB-P1"), ("p1", "P1"), ("7", "07"), ("p1_run-1", "p1_run-2"), ("p1", "sub-p1_acq-b")],
)
def test_one_person_under_two_spellings_is_refused(frame, read, one, other):
    frame.loc[:1, "case_id"] = [one, other]
    with pytest.raises(InputError, match=rf"{one} / {other} \(2 times\)"):
        read(frame)


def test_a_duplicate_that_is_left_out_anyway_does_no_harm(frame, read):
    frame["calibrated"] = "true"
    frame.loc[5, ["case_id", "calibrated"]] = [frame.loc[4, "case_id"], "false"]
    assert len(read(frame).data) == 59


def test_raw_fugl_meyer_points_are_refused_and_read_with_their_scale(frame, read):
    raw = frame.assign(motor=(frame["motor"] * 66).round())
    with pytest.raises(InputError, match=r"must be 0 to 1.*setting motor .fm.*motor_scale, as 66"):
        read(raw)
    scaled = read(raw, Settings(motor_scale=66)).data
    np.testing.assert_allclose(scaled["motor"], frame["motor"], atol=1e-6)
    assert (scaled["severe"] == read(frame).data["severe"]).all()


def test_the_cut_of_25_points_is_severe_however_it_was_rounded(frame, read):
    frame.loc[:3, "motor"] = [25 / 66, 0.378788, 0.379, 26 / 66]
    assert read(frame).data["severe"][:4].tolist() == [1, 1, 1, 0]


def test_zero_and_negative_volumes_get_their_sentences(frame, read):
    frame.loc[0, "lesion_volume_ml"] = 0
    frame.loc[1, "lesion_volume_ml"] = -3
    cohort = read(frame)
    assert "1 lesion volume(s) are negative, which cannot be, and treated as missing (c0002)" in sentences(cohort)
    assert "1 lesion volume(s) are zero (c0001): the logarithm of zero does not exist" in sentences(cohort)
    assert cohort.data["log_lesion_volume"].isna().tolist()[:3] == [True, True, False]
    assert cohort.data.loc[0, "lesion_volume_ml"] == 0


def test_uncalibrated_and_failed_cases_are_left_out_counted_and_back_on_request(frame, read):
    frame["calibrated"] = ["false"] * 3 + ["true"] * 57
    frame["qc"] = ["pass", "fail", "pass", "fail", "review"] + ["pass"] * 55
    cohort = read(frame)
    assert len(cohort.data) == 56
    said = "4 of 60 cases are left out: 3 never calibrated to a scanner, 1 failed quality control"
    assert said in sentences(cohort)
    assert "1 case(s) are marked qc = review" in sentences(cohort)
    asked = read(frame, Settings(include_uncalibrated=True, include_qc_failed=True))
    assert len(asked.data) == 60
    assert "As asked, the analysis includes 3 case(s) never calibrated" in sentences(asked)
    assert "As asked, the analysis includes 2 case(s) that failed quality control" in sentences(asked)


def test_sites_without_any_calibration_are_used_where_sites_are_modelled(frame, read):
    """The scanner's offset is one number for such a site; beside calibrated cases of the same site it is not."""
    first = frame["site"] == frame["site"].iloc[0]
    frame["calibrated"] = np.where(first, "false", "true")
    cohort = read(frame)
    assert len(cohort.data) == 60
    assert len(cohort.comparable) == 60 - first.sum()
    assert f"{first.sum()} case(s) are of sites where no case was calibrated" in sentences(cohort)
    assert len(read(frame, Settings(include_uncalibrated=True)).comparable) == 60
    frame.loc[0, "calibrated"] = "true"
    assert len(read(frame).data) == 60 - first.sum() + 1
    frame["calibrated"] = "false"
    assert len(read(frame).data) == 60
    assert read(frame).comparable.empty


@pytest.mark.parametrize(
    ("scale", "points", "outcome", "severe"),
    [("fm", [25, 26], [25 / 66, 26 / 66], [1, 0]), ("arat", [21, 57], [21 / 57, 1], [1, 0]),
     ("nihss", [0, 5], [1, 37 / 42], [0, 1]), ("mrs", [2, 3], [4 / 6, 0.5], [0, 1])],
)  # fmt: skip
def test_a_named_motor_scale_brings_its_range_direction_and_cut(frame, read, scale, points, outcome, severe):
    frame["motor"] = np.resize(points, len(frame))
    data = read(frame, Settings(motor=scale)).data
    assert data["motor"][:2].tolist() == pytest.approx(outcome)
    assert data["severe"][:2].tolist() == severe


def test_points_of_an_unnamed_scale_are_not_guessed(frame, read):
    """NIHSS 0..42 looks like Fugl-Meyer points and means the opposite."""
    with pytest.raises(InputError, match=r"nihss.*0 = full function.*motor_scale, as 66"):
        read(frame.assign(motor=np.resize([0, 5, 17, 42], len(frame))))
    with pytest.raises(InputError, match="outside 0 to 6"):
        read(frame.assign(motor=7), Settings(motor="mrs"))


def test_a_table_of_lesions_only_or_of_thickness_only_is_a_table(frame, read):
    lesions = frame[[c for c in frame.columns if not c.startswith("pad_")]]
    cohort = read(lesions)
    assert cohort.networks == ("fpn", "van", "sal")
    assert not cohort.pads
    assert len(cohort.loads) == 7
    thickness = lesions.rename(columns=lambda c: c.replace("load_ipsi", "thickness_ipsi")).filter(regex="^(?!load_)")
    assert len(read(thickness).thicknesses) == 3


def test_a_thousands_separator_is_not_guessed(frame, read):
    text = frame.astype({"days_post_stroke": object})
    text.loc[0, "days_post_stroke"] = "2,457"
    with pytest.raises(InputError, match="days_post_stroke holds 2,457: a thousand, or a decimal comma"):
        read(text)


def test_points_may_separate_thousands_of_days_where_all_look_so(frame, read):
    thousands = frame.assign(days_post_stroke=["870", *(f"{2 + i % 9}.{100 + i}" for i in range(59))])
    with pytest.raises(InputError, match=r"days_post_stroke holds 2\.100: a thousand"):
        read(thousands)
    for fine in (["401.775"] * 60, ["2.457", "1870", *["300"] * 58], ["12.5", "2.457", *["300"] * 58]):
        assert read(frame.assign(days_post_stroke=fine)).data["days_post_stroke"].notna().all()


def test_thickness_in_micrometres_is_refused(frame, read):
    with pytest.raises(InputError, match="thickness_ipsi_van has a median of 2400: it looks like micrometres"):
        read(frame.assign(thickness_ipsi_van=2400.0))


def test_a_site_is_one_site_however_its_umlaut_was_typed(frame, read):
    frame["site"] = ["Ko\u0308ln"] * 30 + ["K\u00f6ln"] * 30
    assert read(frame).data["site"].nunique() == 1


def test_a_quotation_mark_that_is_never_closed_is_named_with_its_line(frame, tmp_path):
    path = tmp_path / "cases.csv"
    lines = frame.to_csv(index=False).splitlines()
    lines[5] = lines[5].replace("site", '"site', 1)
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=r"Line 6 of .*cases\.csv has a double quote"):
        read_cohort(path)


def test_quality_control_words_are_honoured_or_refused(frame, read):
    frame["qc"] = ["exclude"] * 4 + ["pass"] * 56
    assert len(read(frame).data) == 56
    frame.loc[0, "qc"] = "perhaps"
    with pytest.raises(InputError, match="Column qc holds 'perhaps'"):
        read(frame)


def test_lesions_of_both_sides_have_no_ipsilesional_side(frame, read):
    frame.loc[:1, "lesion_side"] = ["bilateral", "none"]
    cohort = read(frame)
    assert len(cohort.data) == 58
    assert "1 bilateral lesion, so no ipsilesional side" in sentences(cohort)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign(site="one"), "All cases are of one site"),
        (lambda d: d.assign(site=d["case_id"]), "Every site has a single case"),
        (lambda d: d.assign(site=np.where(d["motor"] <= 25 / 66, "a", "b")), "has cases of one motor class"),
        (lambda d: d.assign(site=np.where(d.index < 30, "Rome", "rome")), "differ only in capitals"),
        (lambda d: d.assign(load_contra_fpn=0.0), "Column load_contra_fpn is 0 in all 60 cases (constant)"),
        (lambda d: d.assign(days_post_stroke=30 * d["age"]), "Column days_post_stroke is an exact combination of age"),
        (lambda d: d.assign(pad_contra_van=d["pad_ipsi_van"]), "pad_ipsi_van and pad_contra_van are copies"),
        (lambda d: d.drop(columns="motor"), "There is no motor outcome"),
        (lambda d: d.assign(motor=0.9), "All 60 cases are mild"),
        (lambda d: d.assign(days_post_stroke=20), "within 180 days"),
        (lambda d: d.assign(age=[1956] * 9 + [60] * 51), "9 age(s) are outside 0 to 120 years"),
        (lambda d: d.assign(load_cst=[40.0] * 9 + [0.1] * 51), "9 value(s) of load_cst are outside 0 to 1"),
        (lambda d: d, "no thickness baseline"),
        (lambda d: d.assign(pad_ipsi_van=[-99.0] * 2 + [1.5] * 58), "2 value(s) of pad_ipsi_van are 90 years or more"),
        (lambda d: d.assign(lesion_volume_ml=[1400.0] + [9.0] * 59), "1 lesion volume(s) are above 600 ml"),
        (lambda d: d.assign(thickness_ipsi_van=[-99.0, 0.0] + [2.4] * 58), "2 value(s) of thickness_ipsi_van are no"),
        (lambda d: pd.concat([d, d.tail(1).assign(case_id="new")]), "measurements of another (c0060 / new)"),
    ],
)
def test_what_is_odd_about_a_table_is_said(frame, read, change, words):
    assert words in sentences(read(change(frame)))


@pytest.mark.parametrize(
    "column", ["site", "age", "sex", "lesion_side", "lesion_volume_ml", "motor", "calibrated", "qc"]
)
def test_any_cell_may_be_missing(frame, read, column):
    """Pandas keeps missing text as None or as NaN, by version and column."""
    frame["calibrated"], frame["qc"] = "true", "pass"
    frame[column] = frame[column].astype(object)
    frame.loc[4, column] = "n/a"
    cohort = read(frame)
    assert len(cohort.data) == (59 if column == "calibrated" else 60)
    if column in ("age", "sex", "site"):
        assert cohort.data[column].isna().sum() == 1
    if column == "sex":
        assert cohort.data["sex_M"].isna().sum() == 1


def test_loads_in_percent_are_refused(frame, read):
    with pytest.raises(InputError, match=r"load_ipsi_fpn runs from .* percent.*Divide percent by 100"):
        read(frame.assign(load_ipsi_fpn=frame["load_ipsi_fpn"] * 100))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"case_id,site,age,sex,pad_ipsi_fpn\n", "a header but no case"),
        (b"PK\x03\x04rest", "is a spreadsheet"),
        ("case_id,site,age,sex,pad_ipsi_x\na,b,1,F,1".encode("utf-16")[:-1], "is cut off"),
        (b"case_id,site,Age,sex,pad_ipsi_fpn\nc,a,6,F,1\n", "no column 'age' .there is 'Age'"),
        (b"case_id,site,age,sex,motor\nc,a,6,F,1\n", "no column pad_ipsi_<network>, load_ipsi_<network>"),
        (b"case_id,site,age,sex,pad_ipsi_fpn,age\nc,a,6,F,1,7\n", "column age twice"),
        (b"case_id,site,age,sex,pad_ipsi_fpn\nc,a,6,unknown,1\n", "Column sex holds 'unknown'"),
        (b"case_id,site,age,sex,pad_ipsi_fpn\n,a,6,F,1\n", "Row 2 has no case_id"),
    ],
)
def test_files_that_are_no_table_of_cases_say_why(tmp_path, content, words):
    path = tmp_path / "cases.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_cohort(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        read_cohort(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("settings", [{"seed": 2}, "mixed", 5])
def test_settings_that_are_no_settings_are_refused(frame, read, settings):
    with pytest.raises(InputError, match="settings were given as"):
        read(frame, settings)
    with pytest.raises(InputError):
        Settings.from_dict([settings])


@pytest.mark.parametrize(("table", "out"), [(None, "out"), (pd.DataFrame(), "out"), ("cases.csv", None)])
def test_what_is_no_path_is_refused(table, out):
    with pytest.raises(InputError, match="Give a path"):
        run(table, out)
