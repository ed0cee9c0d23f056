"""The report as a reader meets it: eight questions answered on the first screen, no error or request, three pages."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from browser import (
    console_and_requests,
    evaluated,
    needs_axe,
    needs_chromium,
    printed_pages,
    what_shuts_readers_out,
)
from made_up_head import made_up_result, made_up_volumes
from RegionalBrainAgeLib.anatomy.regions import load_scheme
from RegionalBrainAgeLib.case.report.answer import answer
from RegionalBrainAgeLib.case.report.page import report_html
from RegionalBrainAgeLib.case.report.pictures import draw_pictures
from RegionalBrainAgeLib.case.report.scene import make_scene
from RegionalBrainAgeLib.case.result.result import CaseResult
from RegionalBrainAgeLib.files.wording import plain

pytestmark = needs_chromium
# Text of the elements that answer, where they are wholly on the first screen.
FIRST_SCREEN = """
return Object.fromEntries([...document.querySelectorAll("[id]")].filter(e => {
  const box = e.getBoundingClientRect(); return box.height && box.bottom <= innerHeight && box.right <= innerWidth;
}).map(e => [e.id, e.textContent.replace(/\\s+/g, " ").trim()]));
"""


@pytest.fixture(scope="module")
def scene():
    return make_scene(made_up_volumes(), ("L", "R", "L", "R"))


def page_of(result: CaseResult, scene) -> str:
    return report_html(result, draw_pictures(result, scene))


def first_screen(result: CaseResult, scene, folder: Path, size: str = "1280,800") -> dict[str, str]:
    return evaluated(page_of(result, scene), FIRST_SCREEN, folder, size)


def with_nine_networks(result: CaseResult) -> CaseResult:
    """The same with the rows and contrasts of the shipped scheme's 18 regions."""
    regions, asymmetries = [], []
    for network in load_scheme().networks:
        for row in result.regions[-2:]:
            regions.append(dataclasses.replace(row, region=f"{network}_{row.hemisphere}", network=network))
        asymmetries.append(dataclasses.replace(result.asymmetries[-1], network=network))
    return dataclasses.replace(result, regions=tuple(regions), asymmetries=tuple(asymmetries))


@pytest.mark.parametrize("size", ["1280,800", "500,800"])
def test_eight_questions_are_answered_from_the_first_screen(scene, size, tmp_path):
    result = made_up_result(days_post_stroke=400.0, motor=0.5)
    seen = first_screen(result, scene, tmp_path, size)
    assert seen["lesion-side"] == "left"  # which side is lesioned
    assert seen["lesion-volume"] == plain(result.lesion.volume_ml)  # how large
    assert seen["answer"] == answer(result)
    assert "in 0 of 1 networks" in seen["answer"]  # did anything leave the healthy range
    assert "1 of 3 regions deviate" in seen["answer"]
    assert "contralesional older in FPN" in seen["answer"]  # which networks
    assert "review" in seen["quality"]  # can I trust the image
    assert "Not calibrated" in seen["calibration"]  # is it calibrated
    assert "62 years" in seen["whole"]  # how old is the brain as a whole
    assert "53 to 71" in seen["whole"]
    assert "ipsilesional FPN (not estimable)" in seen["not-readable"]  # what can I not read
    assert "other people" in seen["not-readable"]


@pytest.mark.parametrize("size", ["1280,800", "500,800"])
def test_the_same_questions_where_all_can_be_read(scene, size, tmp_path):
    result = dataclasses.replace(made_up_result("R", estimable=True), calibration="local", qc="pass", warnings=())
    seen = first_screen(result, scene, tmp_path, size)
    assert seen["lesion-side"] == "right"
    assert "0 of 4 regions are older or younger than expected" in seen["answer"]
    assert "pass" in seen["quality"]
    assert "Calibrated with local controls" in seen["calibration"]
    assert seen["not-readable"] == "all regions can be read"


@pytest.mark.parametrize("calibration", ["none", "local"])
def test_the_first_screen_of_a_whole_case_tells_its_numbers(scene, calibration, tmp_path):
    """18 regions, one of them lost, and five notes: all eight answers are still above the fold of 1280 by 800."""
    result = with_nine_networks(made_up_result(estimable=True))
    lost = dataclasses.replace(result.regions[0], estimable=False, reason="lost")
    notes = ("The image is poor (grade D): look at borders and thickness before using its numbers.",) * 5
    result = dataclasses.replace(
        result, calibration=calibration, regions=(lost, *result.regions[1:]), warnings=notes, qc="review"
    )
    pictures = draw_pictures(made_up_result(), scene)
    seen = evaluated(report_html(result, pictures), FIRST_SCREEN, tmp_path, "1280,800")
    whole, age = result.global_age, result.case.age_years
    assert seen["lesion-side"] == {"L": "left"}[result.lesion.side]
    assert seen["lesion-volume"] == plain(result.lesion.volume_ml)
    assert seen["answer"] == answer(result)
    assert f"{plain(age + whole.pad_corrected_years, 0)} years" in seen["whole"]
    low, high = (plain(age + end, 0) for end in (whole.pad_lower_years, whole.pad_upper_years))
    assert f"{low} to {high}" in seen["whole"]
    assert "review" in seen["quality"]
    assert ("Not calibrated" if calibration == "none" else "Calibrated with local controls") in seen["calibration"]
    assert f"ipsilesional {lost.network} (not estimable)" in seen["not-readable"]
    assert ("other people" in seen["not-readable"]) == (calibration == "none")


def test_the_axis_in_the_head_of_a_column_stands_over_its_bars(scene, tmp_path):
    """Zero of the axis and the bars' zero lines lie on one vertical, with and without a column of loads."""
    script = (
        "const middle = e => { const b = e.getBoundingClientRect(); return b.left + b.width / 2; };"
        "return [1, 2].map(n => [...document.querySelectorAll('th.bar svg')].map(middle)[n - 1] -"
        "middle(document.querySelectorAll(n == 1 ? 'td.bar:not(.contrast) svg' : 'td.contrast svg')[0]));"
    )
    for side in ("L", "none"):
        apart = evaluated(page_of(made_up_result(side, estimable=True), scene), script, tmp_path / side)
        assert max(map(abs, apart)) < 1.5, side


def test_every_number_of_the_table_is_in_its_picture_too(scene, tmp_path):
    script = 'return [...document.querySelectorAll("#regions svg[role=img]")].map(e => e.getAttribute("aria-label"))'
    labels = evaluated(page_of(made_up_result(), scene), script, tmp_path)
    assert "contralesional FPN: +5.5 years, above the healthy range of −5.0 to +5.0" in labels
    assert "VIS, ipsi minus contralesional: −2.0 years, inside the healthy range of −12.0 to +13.0" in labels
    assert len(labels) == 4  # three regions and one network; a lost region has no bar


def test_where_no_age_may_be_read_the_first_screen_says_so(scene, tmp_path):
    seen = first_screen(made_up_result(simulated=("lesion", "age")), scene, tmp_path, "500,800")
    assert seen["answer"].startswith("No age is read here")
    assert "the person's age is not known" in seen["whole"]
    assert "any age" in seen["not-readable"]


@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_is_cut_off_at_the_side(scene, width, tmp_path):
    script = "return document.documentElement.scrollWidth - innerWidth"
    assert evaluated(page_of(made_up_result(), scene), script, tmp_path, f"{width},800") <= 0


def test_the_report_opens_without_errors_or_requests(scene, tmp_path):
    report, leaky = tmp_path / "report.html", tmp_path / "leaky.html"
    html = page_of(made_up_result(), scene)
    report.write_text(html, encoding="utf-8")
    assert console_and_requests(report, tmp_path / "good") == ([], [])
    # The same page with what the test looks for: the test can see it.
    html = re.sub(r"<meta http-equiv=.*?>", "", html)
    leak = '<img src="http://127.0.0.1:9/x.png"><script>console.error("seen")</script>'
    leaky.write_text(html.replace("</main>", f"{leak}</main>"), encoding="utf-8")
    console, asked = console_and_requests(leaky, tmp_path / "bad")
    assert any("seen" in line for line in console)
    assert "http://127.0.0.1:9/x.png" in asked


def test_the_report_prints_on_three_pages(scene, tmp_path):
    report = tmp_path / "report.html"
    report.write_text(page_of(made_up_result(), scene), encoding="utf-8")
    assert printed_pages(report, tmp_path) == 3


@pytest.mark.parametrize("calibration", ["none", "local"])
def test_eighteen_regions_with_many_notes_print_on_three_pages_too(scene, calibration, tmp_path):
    """The first page holds answer, notes, map and the whole table."""
    notes = (
        "The mean cortical thickness (2.83 mm) is far from what is usual at this age (2.42 mm): check borders.",
    ) * 6
    result = made_up_result(estimable=True, days_post_stroke=400.0, motor=0.5, site="Ward 7")
    result = dataclasses.replace(with_nine_networks(result), calibration=calibration, warnings=notes)
    report = tmp_path / "report.html"
    report.write_text(report_html(result, draw_pictures(made_up_result(), scene)), encoding="utf-8")
    assert printed_pages(report, tmp_path) == 3


@needs_axe
@pytest.mark.parametrize("size", ["1280,800", "500,800"])
def test_axe_finds_nothing_that_shuts_readers_out(scene, size, tmp_path):
    assert what_shuts_readers_out(page_of(made_up_result(), scene), tmp_path, size) == []
