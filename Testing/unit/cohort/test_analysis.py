"""The whole analysis from the command line: files, columns, safety of cells and report, cancel, and the simulator."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import needs_axe, what_shuts_readers_out
from random_cohort import random_table
from regional_brain_age import __main__ as program
from RegionalBrainAgeCohortLib import analysis
from RegionalBrainAgeCohortLib.cli import summary
from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeCohortLib.families import STEPS
from RegionalBrainAgeCohortLib.report.figures import draw_all
from RegionalBrainAgeCohortLib.report.page import report_html
from RegionalBrainAgeCohortLib.report.result_tables import MEANINGS, text_of
from RegionalBrainAgeCohortLib.result import count_sentence
from RegionalBrainAgeCohortLib.simulate import NETWORKS, TRUE_EFFECTS, simulate_cohort, write_cohort
from RegionalBrainAgeLib.case.result.tables import processed_columns
from RegionalBrainAgeLib.errors import Cancelled, InputError
from RegionalBrainAgeLib.files.wording import SIMULATED
from shared_folder import REFERENCE

REFERENCE_DATA = REFERENCE / "data"
QUICK = Settings(families=("mixed", "loads", "groups", "sem"), sem_draws=100)
PROMISED = {
    "mixed_models": "model outcome term estimate se df t p ci_low ci_high std_beta p_fdr n n_sites site_variance "
    "residual_variance icc status",
    "loads": "model outcome load estimate se df t p ci_low ci_high std_beta p_fdr n n_sites site_variance "
    "residual_variance icc status",
    "group_differences": "variable estimate se df t p ci_low ci_high p_fdr n status",
    "sem_paths": "lhs op rhs estimate se z p ci_low ci_high std_all std_se",
    "sem_fit": "measure value",
}


def main(words: list[str]) -> int:
    """Exit code of ``regional-brain-age cohort ...``."""
    return program.main(["cohort", *words])


NASTY = '=cmd|"/c calc"!A1'


@pytest.fixture(scope="module")
def nasty(tmp_path_factory) -> Path:
    """A small cohort whose names try to run as formulas and as HTML."""
    folder = tmp_path_factory.mktemp("cohort")
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv").head(90)
    frame.loc[0, "case_id"] = NASTY
    frame.loc[1, "case_id"] = "<script>alert(1)</script>"
    frame["site"] = ["@SUM(A1)", "<b>bold</b>", "c"] * 30
    frame["calibrated"] = ["false", "false", *["true"] * 88]
    path = folder / "<i>cases.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def out(nasty) -> Path:
    folder = nasty.parent / "out"
    analysis.run(nasty, folder, QUICK)
    return folder


def test_the_promised_files_have_the_promised_columns_first(out):
    for name, columns in PROMISED.items():
        table = pd.read_csv(out / f"{name}.tsv", sep="\t")
        assert set(columns.split()) <= set(table.columns), name
        assert len(table), name
    assert len(pd.read_csv(out / "loads.tsv", sep="\t")) == 6 * 7


def test_every_column_of_every_table_is_explained(out):
    tables = list(out.glob("*.tsv"))
    assert len(tables) >= 8
    for path in tables:
        header = path.read_text(encoding="utf-8").splitlines()[0].split("\t")
        described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert list(described) == header
        assert all(entry["Description"] for entry in described.values())
        assert set(header) <= set(MEANINGS[path.stem])


def test_numbers_are_written_in_full_precision(out):
    table = pd.read_csv(out / "sem_paths.tsv", sep="\t", dtype=str)
    assert len(table.loc[0, "estimate"].lstrip("-0.")) >= 13


def test_no_cell_can_run_in_a_spreadsheet(out):
    for path in out.glob("*.tsv"):
        for line in path.read_text(encoding="utf-8").splitlines():
            for cell in line.split("\t"):
                harmless = not cell.startswith(("=", "+", "-", "@")) or re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", cell)
                assert harmless, f"{path.name}: {cell}"
    assert "'" + NASTY in (out / "cases_left_out.tsv").read_text(encoding="utf-8").replace('""', '"')
    assert text_of("=~") == "'=~"
    assert text_of(-0.5) == "-0.5"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


def test_the_report_is_self_contained_escaped_and_states_the_limits(out):
    html = (out / "report.html").read_text(encoding="utf-8")
    parser = _Tags()
    parser.feed(html)
    tags = [tag for tag, _ in parser.seen]
    assert "script" not in tags
    assert "&lt;i&gt;cases.csv" in html
    for _, attributes in parser.seen:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert "Research use only" in html
    assert "cross-sectional" in html
    assert "Reversed model" in html
    assert "2 of 90 cases are left out: 2 never calibrated" in html


@needs_axe
def test_the_report_shuts_no_reader_out_on_a_narrow_screen(out, tmp_path):
    assert what_shuts_readers_out((out / "report.html").read_text(encoding="utf-8"), tmp_path, "500,800") == []


def test_figures_are_plain_svg(out):
    names = {path.stem for path in (out / "figures").glob("*.svg")}
    assert {"forest_volume", "loads_heatmap", "group_differences", "path_diagram", "path_diagram_reversed"} <= names
    for path in (out / "figures").glob("*.svg"):
        assert "<script" not in path.read_text(encoding="utf-8")


def test_a_second_run_removes_what_it_no_longer_makes(nasty, tmp_path):
    analysis.run(nasty, tmp_path, Settings(families=("mixed", "loads")))
    assert (tmp_path / "loads.tsv").exists()
    analysis.run(nasty, tmp_path, Settings(families=("mixed",)))
    assert not (tmp_path / "loads.tsv").exists()
    assert (tmp_path / "mixed_models.tsv").exists()


@pytest.mark.parametrize("name", ["report.html", "analysis.json", "methods.md", "table_one.tsv"])
def test_a_file_of_the_users_is_not_replaced_and_the_analysis_does_not_begin(nasty, tmp_path, capsys, name):
    (tmp_path / "figures").mkdir()
    for mine in (name, "figures/mine.svg"):
        (tmp_path / mine).write_text("mine", encoding="utf-8")
    assert main([str(nasty), "--out", str(tmp_path)]) == 2
    assert f"holds a file {name}" in capsys.readouterr().err
    assert {path.name for path in tmp_path.rglob("*")} == {"figures", "mine.svg", name}
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


@pytest.fixture(scope="module")
def with_thickness(tmp_path_factory) -> tuple[Path, Path]:
    """Two analyses of one simulated cohort: as it is, and without its thickness columns."""
    folder = tmp_path_factory.mktemp("thickness")
    frame = pd.DataFrame(simulate_cohort(160, 8, 3))
    without = frame.drop(columns=[c for c in frame.columns if c.startswith("thickness_")])
    for name, table in (("with", frame), ("without", without)):
        table.to_csv(folder / f"{name}.csv", index=False)
        analysis.run(folder / f"{name}.csv", folder / name, QUICK)
    return folder / "with", folder / "without"


def test_every_analysis_has_thickness_beside_it(with_thickness):
    """The baseline of a model of PADs is the same model of thickness: same cases, same predictors, same table."""
    folder, _ = with_thickness
    for table, twin in (("mixed_models", "thickness_models"), ("loads", "thickness_loads")):
        pads, plain = (pd.read_csv(folder / f"{name}.tsv", sep="\t") for name in (table, twin))
        assert list(pads.columns) == list(plain.columns)
        assert list(pads["outcome"].str.replace("pad_", "thickness_")) == list(plain["outcome"])
        assert (pads["n"] == plain["n"]).all()
    paths = pd.read_csv(folder / "sem_thickness_paths.tsv", sep="\t")
    assert {"motor", "thickness_ipsi_fpn", "thickness_contra_fpn"} <= set(paths["lhs"])
    groups = pd.read_csv(folder / "group_differences.tsv", sep="\t")
    assert groups["variable"].str.startswith("thickness_").sum() == 18
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "PAD beside plain cortical thickness" in html
    assert "Thickness in the place of PAD" in html


def test_thickness_changes_nothing_that_is_said_of_the_pads(with_thickness):
    folder, without = with_thickness
    for name in ("mixed_models", "loads", "sem_paths", "sem_fit"):
        assert (folder / f"{name}.tsv").read_bytes() == (without / f"{name}.tsv").read_bytes()
    groups, fewer = (pd.read_csv(f / "group_differences.tsv", sep="\t") for f in (folder, without))
    pd.testing.assert_frame_equal(groups[~groups["variable"].str.startswith("thickness_")], fewer)
    assert "no thickness baseline" in (without / "report.html").read_text(encoding="utf-8")
    assert not (without / "thickness_models.tsv").exists()


def test_thickness_of_some_regions_is_drawn_as_far_as_it_goes(with_thickness, tmp_path, recwarn):
    frame = pd.read_csv(with_thickness[0].parent / "with.csv").head(60)
    gone = [c for c in frame.columns if c.startswith("thickness_") and c != "thickness_ipsi_fpn"]
    frame.drop(columns=gone).to_csv(tmp_path / "one.csv", index=False)
    analysis.run(tmp_path / "one.csv", tmp_path / "out", Settings(families=("mixed", "groups", "sem"), sem_draws=0))
    assert (tmp_path / "out" / "figures" / "pad_and_thickness.svg").exists()
    assert not (tmp_path / "out" / "sem_thickness_paths.tsv").exists()
    assert not [warning for warning in recwarn if "lims" in str(warning.message)]


def test_networks_that_the_scheme_of_the_maps_does_not_have_are_named(tmp_path):
    maps = Settings(families=("mixed",))
    result = analysis.run(REFERENCE_DATA / "small.csv", tmp_path / "other", maps)
    assert "networks (n1, x2) are not those" in " ".join(f.sentence for f in result.cohort.findings)
    assert not (tmp_path / "other" / "figures" / "brain_volume.svg").exists()
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv").head(60)
    frame.rename(columns=lambda c: c.replace("_van", "_lang")).to_csv(tmp_path / "part.csv", index=False)
    result = analysis.run(tmp_path / "part.csv", tmp_path / "part", maps)
    assert "The brain maps lack lang" in " ".join(f.sentence for f in result.cohort.findings)
    assert (tmp_path / "part" / "figures" / "brain_volume.svg").exists()
    scheme = tmp_path / "mine.tsv"
    scheme.write_text("region\tnetwork\themisphere\tatlas\tlabels\nLANG_L\tLANG\tL\taal\tInsula_L\n", encoding="utf-8")
    result = analysis.run(tmp_path / "part.csv", tmp_path / "mine", Settings(families=("mixed",), scheme=str(scheme)))
    assert "lack fpn, sal" in " ".join(f.sentence for f in result.cohort.findings)
    for content, said in ((None, "cannot be read"), ("a,b\n1,2\n", "no region scheme")):
        wrong = tmp_path / "wrong.tsv"
        if content:
            wrong.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            analysis.run(tmp_path / "part.csv", tmp_path / "wrong", Settings(scheme=str(wrong)))


def test_cancel_leaves_nothing_behind(nasty, tmp_path):
    steps: list[str] = []
    with pytest.raises(Cancelled):
        analysis.run(nasty, tmp_path / "out", QUICK, lambda step, _: steps.append(step), lambda: len(steps) > 5)
    assert not (tmp_path / "out").exists()


def test_progress_only_moves_forward(nasty, tmp_path):
    seen: list[float] = []
    analysis.run(nasty, tmp_path, Settings(families=("mixed", "sem"), sem_draws=0), lambda _, f: seen.append(f))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 1


def test_an_analysis_the_data_do_not_allow_is_skipped_with_a_sentence(tmp_path):
    frame = pd.read_csv(REFERENCE_DATA / "small.csv").drop(columns="motor")
    path = tmp_path / "cases.csv"
    frame.to_csv(path, index=False)
    result = analysis.run(path, tmp_path / "out", QUICK)
    assert "no motor outcome" in result.skipped["Group differences"]
    assert "motor" in result.skipped["Structural equation model"]
    assert (tmp_path / "out" / "mixed_models.tsv").exists()
    assert "no motor outcome" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_one_outcome_known_in_few_cases_does_not_end_the_others(tmp_path):
    """A PAD known in 6 of 60 cases of several sites: its rows say what they are, all others are as without it."""
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv").head(60)
    rng = np.random.default_rng(0)
    settings = Settings(families=("mixed", "loads"))
    for seed in range(8):
        frame["pad_contra_van"] = frame["pad_contra_van"].where(frame.index.isin(rng.choice(60, 6, replace=False)))
        frame["pad_contra_van"] += np.where(frame["site"] == "site01", 50.0 * seed, 0.0)
        frame.to_csv(tmp_path / "few.csv", index=False)
        result = analysis.analyse(read_cohort(tmp_path / "few.csv", settings), settings, lambda *_: None)
        assert not result.skipped
        assert result.tables["mixed_models"]["status"].notna().all()
        frame["pad_contra_van"] = pd.read_csv(REFERENCE_DATA / "typical.csv")["pad_contra_van"].head(60)
    assert not analysis.run(tmp_path / "few.csv", tmp_path / "out", settings).skipped


def test_a_family_without_a_single_fit_is_not_done_and_never_a_null(tmp_path):
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv").head(3)
    frame.to_csv(tmp_path / "three.csv", index=False)
    result = analysis.run(tmp_path / "three.csv", tmp_path / "out", QUICK)
    assert "could be estimated" in result.skipped["Lesion volume and PAD"]
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert " 0 of 6" not in html
    assert (tmp_path / "out" / "mixed_models.tsv").exists()
    blank = pd.read_csv(REFERENCE_DATA / "typical.csv").head(60).assign(site="")
    blank.to_csv(tmp_path / "blank.csv", index=False)
    result = analysis.run(tmp_path / "blank.csv", tmp_path / "blank", QUICK)
    assert "not done: none of 6 could be tested (6 no complete case)" in summary(result)
    assert "constant" not in result.skipped["Lesion volume and PAD"]


def test_a_path_model_that_fits_any_data_is_not_summed_up_as_a_good_fit(tmp_path):
    """Two regressions on everything before them leave no degree of freedom: CFI is 1 whatever the data say."""
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv")
    saturated = "pad_contra_fpn ~ load_cst + age\nload_cst ~ age"
    result = analysed(frame, tmp_path, sem_model=saturated)
    assert result.sem.measure("df") == 0
    assert "df 0, so it fits any data" in summary(result)
    assert "CFI" not in summary(result)
    assert any("fit measures say nothing" in note for note in result.sem.notes)
    tested = analysed(frame, tmp_path, sem_model=saturated.replace(" + age", ""))
    assert "CFI" in summary(tested)
    assert not any("say nothing" in note for note in tested.sem.notes)


def test_a_fault_of_one_analysis_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    def broken(*_: object) -> None:
        raise ValueError("f(a) and f(b) must have different signs")

    monkeypatch.setitem(STEPS, "loads", broken)
    result = analysis.run(REFERENCE_DATA / "small.csv", tmp_path, Settings(families=("mixed", "loads")))
    assert "unexpected fault" in result.skipped["Lesion loads and PAD"]
    assert "f(a) and f(b)" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "mixed_models.tsv").exists()


def test_classifiers_that_one_severe_case_cannot_teach_are_skipped(tmp_path):
    """Two sites, all severe cases but one at the first."""
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv").head(80)
    frame["site"] = np.where(np.arange(80) < 40, "a", "b")
    frame["motor"] = np.where(np.arange(80) < 20, 0.1, 0.9)
    frame.loc[60, "motor"] = 0.1
    frame.to_csv(tmp_path / "two.csv", index=False)
    result = analysis.run(tmp_path / "two.csv", tmp_path / "out", Settings(families=("classifiers",)))
    assert "for training" in result.skipped["Classifiers"]


def analysed(frame: pd.DataFrame, folder: Path, **settings) -> analysis.AnalysisResult:
    """Tables of an analysis without figures and files."""
    frame.to_csv(folder / "cases.csv", index=False)
    chosen = Settings(families=("mixed", "loads", "groups", "sem"), sem_draws=0, **settings)
    return analysis.analyse(read_cohort(folder / "cases.csv", chosen), chosen, lambda *_: None)


def test_a_table_of_lesions_alone_gets_what_it_allows_and_says_what_it_does_not(tmp_path):
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv")
    result = analysed(frame[[c for c in frame.columns if not c.startswith("pad_")]], tmp_path)
    assert "no PAD" in result.skipped["Lesion volume and PAD"]
    assert "no PAD" in result.skipped["Lesion loads and PAD"]
    assert set(result.tables["group_differences"]["variable"].str.split("_").str[0]) == {"load"}
    said = result.skipped["Structural equation model"]
    assert said.startswith("There is no PAD, and this path model is about PADs.")
    assert "Did you mean" not in said
    html = report_html(result, {})
    assert "Not done. There is no PAD" in html
    assert "PADs related to lesion volume" not in html


def test_a_table_of_thickness_alone_is_analysed_as_thickness(tmp_path):
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv")
    frame = frame.rename(columns=lambda c: c.replace("pad_", "thickness_"))
    frame = frame.drop(columns=[c for c in frame if c.startswith("load_")])
    result = analysed(frame, tmp_path)
    drawn = draw_all(result)
    assert {"group_thickness"} <= set(drawn)
    assert not [name for name in result.skipped if name.startswith("Figure")]
    assert "thickness_models" in result.tables
    assert "mixed_models" not in result.tables
    assert set(result.tables["sensitivity"]["outcome"]) >= {"thickness_ipsi_fpn"}
    report_html(result, {})


def test_an_outcome_of_a_few_grades_is_refused_by_name_where_it_would_be_taken_as_continuous(tmp_path):
    frame = pd.read_csv(REFERENCE_DATA / "typical.csv")
    frame["motor"] = np.clip(np.round(6 * (1 - frame["motor"])), 0, 6)
    result = analysed(frame, tmp_path, motor="mrs")
    assert "modified Rankin scale has 7 ordered grades" in result.skipped["Structural equation model"]
    assert result.tables["group_differences"]["n_severe"].max() == (frame["motor"] >= 3).sum()


def test_what_a_reviewer_asks_for_is_in_the_report(out):
    html = (out / "report.html").read_text(encoding="utf-8")
    for title in ("Table 1: who was studied", "Flow of cases", "Sensitivity: lesion volume",
                  "Sensitivity: motor groups", "Sensitivity: lesion load", "Sensitivity: path model",
                  "Adjusted means of the motor groups", "Do the residuals look as the model assumes?",
                  "Checks of the volume models", "STROBE checklist", "Abbreviations",
                  "Path model: variance explained"):  # fmt: skip
        assert title in html, title
    assert "semopy agrees at these estimates" in html
    # What the path model takes from the sample has no standard error, and a count of none missing no decimals.
    assert re.search(r"CST load ↔ Age</td><td>[^<]*</td><td>fixed</td><td>–</td>", html)
    women = re.search(r"<tr[^>]*>\s*<td[^>]*>sex: F</td>(.*?)</tr>", html, re.DOTALL)
    assert re.findall(r"<td[^>]*>(.*?)</td>", women[1])[-2] == "0"
    flow = pd.read_csv(out / "flow.tsv", sep="\t").set_index("step")["cases"]
    assert flow["rows of the table"] == "90"
    assert flow["cases used"] == "88"
    checks = pd.read_csv(out / "model_checks.tsv", sep="\t")
    assert abs(checks["log_likelihood"] - checks["statsmodels_log_likelihood"]).max() < 1e-6


@pytest.mark.parametrize("seed", [*range(12), 107])
def test_small_random_tables_end_in_tables_or_sentences(seed, tmp_path):
    """Holes, constants, copies, one site, one class: more of them in benchmarks/cohort_random_tables.py."""
    try:
        result = analysed(random_table(seed), tmp_path)
    except InputError:
        return
    assert not [why for why in result.skipped.values() if "unexpected fault" in why]
    for name in ("mixed_models", "loads", "group_differences"):
        table = result.tables.get(name)
        if table is not None and table["p"].isna().all():
            assert "not done" in count_sentence(table)


def test_what_is_said_of_the_reversed_model_are_its_numbers(out):
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "same correlations" not in html
    fits = [pd.read_csv(out / f"{name}.tsv", sep="\t").set_index("measure")["value"]
            for name in ("sem_fit", "sem_reversed_fit")]  # fmt: skip
    for fit in fits:
        assert f"χ²({fit['df']:.0f}) = {fit['chi2']:.1f}" in html


def test_the_path_model_falls_back_to_a_network_of_the_table(tmp_path):
    result = analysis.run(REFERENCE_DATA / "small.csv", tmp_path, Settings(families=("sem",), sem_draws=0))
    assert "uses 'n1'" in result.sem_notes[0]
    assert "pad_contra_n1" in set(result.tables["sem_paths"]["lhs"])


def test_the_command_line_runs_and_explains_mistakes(tmp_path, capsys):
    table = str(REFERENCE_DATA / "typical.csv")
    model = "motor ~ load_cst + age"
    args = [table, "--out", str(tmp_path / "o"), "--only", "sem", "--model", model, "--bootstrap", "0", "--json"]
    assert main(args) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["cases_used"] == 501
    assert "100 %  Done" in printed.err
    assert main([table, "--out", str(tmp_path / "p"), "--only", "sem", "--model", "motor ~ ghost"]) == 0
    assert "ghost" in capsys.readouterr().err
    assert main([table, "--out", str(tmp_path / "p"), "--only", "sem", "--model", "motor ~ laod_cst"]) == 0
    assert "Did you mean load_cst" in capsys.readouterr().err
    assert main([table, "--out", str(tmp_path / "q"), "--covariates", "shoe_size"]) == 2
    assert "shoe_size" in capsys.readouterr().err
    assert main([table, "--out", str(tmp_path / "q"), "--covariates", "case_id"]) == 2
    assert "501 different texts in 501 cases" in capsys.readouterr().err
    assert main([table, "--out", str(tmp_path / "p"), "--only", "sem", "--model", "motor ~ age +"]) == 0
    assert "A variable is missing in the model line 'motor ~ age +'" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([table, "--out", str(tmp_path / "file")]) == 2
    assert "Nothing can be written" in capsys.readouterr().err
    assert main([str(tmp_path / "none.csv"), "--out", str(tmp_path / "q")]) == 2
    assert main(["--out", str(tmp_path / "q")]) == 2


def test_a_simulated_cohort_is_a_processed_table_and_repeatable(tmp_path):
    assert main(["--simulate", "80", "--sites", "8", "--seed", "4", "--out", str(tmp_path / "a.csv")]) == 0
    write_cohort(simulate_cohort(80, 8, 4), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    frame = pd.read_csv(tmp_path / "a.csv")
    assert list(frame.columns) == processed_columns(NETWORKS)
    assert frame["site"].value_counts().min() >= 2
    assert frame["motor"].between(0, 1).all()
    left = frame["lesion_side"] == "L"
    assert (frame.loc[left, "pad_left_fpn"] == frame.loc[left, "pad_ipsi_fpn"]).all()
    with pytest.raises(InputError, match="cannot fill"):
        simulate_cohort(5, 4, 1)
    with pytest.raises(InputError, match="The seed is -1"):
        simulate_cohort(80, 8, -1)


@pytest.mark.parametrize(("of_one_case", "told"), [("", False), ("lesion", True)])
def test_one_simulated_case_makes_the_whole_report_say_so(of_one_case, told, tmp_path):
    frame = pd.DataFrame(simulate_cohort(60, 6, 4)).assign(simulated="")
    frame.loc[7, "simulated"] = of_one_case
    frame.to_csv(tmp_path / "cases.csv", index=False)
    result = analysis.run(tmp_path / "cases.csv", tmp_path / "out", Settings(families=("mixed",)))
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert (SIMULATED in unescape(html)) == told
    # The findings are what the command line prints and the panel in Slicer lists.
    sentences = [finding.sentence for finding in result.cohort.findings]
    assert (f"{SIMULATED} In 1 of 60 case(s) lesion, age or everything is made up." in sentences) == told


def test_the_published_effects_are_true_in_a_very_large_cohort():
    """Plain regressions of numpy on 60,000 cases; tolerances are three standard errors."""
    data = pd.DataFrame(simulate_cohort(60_000, 400, 9))
    mild = data["motor"] > 25 / 66 + 5e-4
    log_volume = np.log(data["lesion_volume_ml"])
    truth = {(effect.table, effect.outcome): effect.value for effect in TRUE_EFFECTS}

    def slope(y: str, *predictors: np.ndarray) -> float:
        design = np.column_stack([np.ones(len(data)), *predictors])
        return float(np.linalg.lstsq(design, data[y].to_numpy(), rcond=None)[0][1])

    for name in ("pad_ipsi_smn", "pad_ipsi_lim", "pad_contra_van"):
        assert slope(name, log_volume) == pytest.approx(truth["mixed_models", name], abs=0.05)
    for name, slack in (("load_cst", 0.004), ("load_ipsi_sal", 0.004), ("pad_contra_fpn", 0.08)):
        difference = data.loc[mild, name].mean() - data.loc[~mild, name].mean()
        assert difference == pytest.approx(truth["group_differences", name], abs=slack)
    assert np.corrcoef(data["load_cst"], data["motor"])[0, 1] == pytest.approx(truth["sem_paths", "motor"], abs=0.012)
    path = slope("pad_contra_fpn", data["motor"], data["pad_ipsi_fpn"])
    standard = path * data["motor"].std() / data["pad_contra_fpn"].std()
    assert standard == pytest.approx(truth["sem_paths", "pad_contra_fpn"], abs=0.013)


def test_methods_and_references_are_written_with_what_was_run(tmp_path):
    write_cohort(simulate_cohort(80, 8, 4), tmp_path / "cohort.csv")
    analysis.run(tmp_path / "cohort.csv", tmp_path / "out", Settings(families=("mixed",)))
    text = (tmp_path / "out/methods.md").read_text(encoding="utf-8")
    entries = (tmp_path / "out/references.bib").read_text(encoding="utf-8")
    assert "## Mixed models" in text
    assert "lmerTest" in text
    assert "rosseel2012" not in entries, "no path model was fitted"
    assert entries.count("@article{") == text.count("\n- ")
