"""The report and its pictures, on a small made-up head with a known left and right."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from made_up_head import made_up_result, made_up_volumes
from RegionalBrainAgeLib.case.report import figures
from RegionalBrainAgeLib.case.report.page import RESEARCH_USE, report_html
from RegionalBrainAgeLib.case.report.render import Stage, set_stage, slice_rgb, surface_views
from RegionalBrainAgeLib.case.result.volumes import RegionVolume
from RegionalBrainAgeLib.geometry.image import Image

NAN = float("nan")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def stage() -> Stage:
    return set_stage(made_up_volumes(), ("L", "R", "L", "R"))


@pytest.fixture(scope="module")
def pictures(stage) -> dict[str, bytes]:
    views, result = surface_views(stage), made_up_result()
    return {
        "overview.png": figures.overview_png(stage),
        "registration.png": figures.registration_png(stage),
        "thickness.png": figures.thickness_png(stage),
        "pad.png": figures.pad_png(stage, views, result),
        "load.png": figures.load_png(stage, views, result),
        "paired.svg": figures.paired_svg(result).encode(),
    }


class Document(HTMLParser):
    """Text and addresses of an HTML document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "action", "data")]

    def handle_data(self, data):
        self.text += data


def test_the_display_shows_the_patients_left_on_the_right():
    gray = np.zeros((10, 6))  # first axis runs to the patient's right, second forwards
    gray[0, 5] = 1.0  # far left, front
    rgb = slice_rgb(gray, 1)
    assert rgb.shape == (6, 10, 3)
    assert np.unravel_index(rgb[..., 0].argmax(), (6, 10)) == (0, 9)


@pytest.mark.parametrize(("flip", "angle"), [((), 0.0), ((0,), 0.0), ((0, 2), 0.0), ((1,), 0.0), ((), 15.0)])
def test_left_stays_left_on_the_display_however_the_head_is_stored(flip, angle):
    stage = set_stage(made_up_volumes(flip, angle), ("L", "R", "L", "R"))
    lesion_i = np.nonzero(stage.lesion)[0].mean()
    assert lesion_i < stage.brain.shape[0] / 2  # i runs to the right, the lesion is left
    assert stage.left[stage.lesion].all()
    assert not stage.left[stage.region == 2].any()
    assert (stage.region[stage.lesion] == 1).mean() > 0.8


def test_views_from_each_side_show_that_sides_regions(stage):
    views = {view.name: view for view in surface_views(stage)}
    assert set(np.unique(views["left, outside"].region)) <= {0, 1, 3}
    assert set(np.unique(views["right, outside"].region)) <= {0, 2, 4}
    assert views["left, outside"].lesion.any()
    assert not views["right, outside"].lesion.any()
    # From the left the forehead is on the left of the picture, from the right on the right.
    for name, front, forward in (("left, outside", 1, -1), ("right, outside", 2, 1)):
        columns = np.nonzero(views[name].region == front)[1].mean() - np.nonzero(views[name].hit)[1].mean()
        assert np.sign(columns) == forward
    above = views["from above"]
    assert np.nonzero(above.region == 1)[1].mean() > np.nonzero(above.region == 2)[1].mean()
    assert np.nonzero(above.region == 1)[0].mean() < np.nonzero(above.region == 3)[0].mean()


def test_overlapping_regions_keep_their_full_extent():
    grid = np.eye(4)
    masks = [Image(np.array([[[True, True, False]]]), grid), Image(np.array([[[False, True, True]]]), grid)]
    regions = RegionVolume.combine(masks)
    for index, mask in enumerate(masks):
        assert np.array_equal(regions.mask(index).array, mask.array)
    assert regions.first_region().array.ravel().tolist() == [1, 1, 2]
    assert regions.paint(np.array([5.0, NAN])).array.ravel()[:2].tolist() == [5.0, 5.0]


def test_colour_scales_are_symmetric_and_never_narrower_than_stated():
    assert figures.pad_limit_years([1.0, NAN, -2.0]) == 10.0
    assert figures.pad_limit_years([12.0, -21.0]) == 25.0
    assert figures.load_limit([0.0, 0.02]) == 0.1
    assert figures.load_limit([0.31]) == pytest.approx(0.4)
    assert figures.load_limit([1.0]) == 1.0


def test_zero_lesion_and_not_estimable_have_colours_of_their_own():
    zero = np.array(figures.PAD_MAP(0.5)[:3])
    for other in (figures.LESION_RGB, figures.NOT_ESTIMABLE_RGB, figures.NOT_ESTIMABLE_DARK_RGB):
        assert abs(zero - other).max() > 0.25


def test_the_report_is_one_file_without_scripts_or_links(pictures):
    document = Document(report_html(made_up_result(), pictures))
    assert "script" not in document.tags
    assert document.tags.count("img") == len(pictures)
    assert all(address.startswith("data:") for address in document.addresses)


def test_the_report_says_what_a_reader_must_know(pictures):
    text = Document(report_html(made_up_result(), pictures)).text
    assert text.count(RESEARCH_USE) == 2
    assert "Not calibrated" in text
    assert "Only contrasts within this patient are safe" in text
    assert "62 % of the region's cortex could not be measured" in text
    assert "holds 800 ml" in text
    assert "−3.0" in text  # a real minus sign
    assert "patient's left is on the right" in text


def test_a_failed_quality_check_comes_before_everything_else(pictures):
    failed = Document(report_html(dataclasses.replace(made_up_result(), qc="fail"), pictures)).text
    assert failed.index("Do not use this result") < failed.index("holds 800 ml") < failed.index("Not calibrated")
    review = Document(report_html(made_up_result(), pictures)).text
    assert review.index("Not calibrated") < review.index("Please check")


def test_a_contrast_stands_beside_its_healthy_range_seen_from_the_lesion(pictures):
    left, right = (Document(report_html(made_up_result(side), pictures)).text for side in "LR")
    assert re.search(r"−2\.0\s*−12 to \+13", left)
    assert re.search(r"\+2\.0\s*−13 to \+12", right)


@pytest.mark.parametrize("side", ["bilateral", "none"])
def test_without_one_side_nothing_is_called_ipsilesional(pictures, side):
    html = report_html(made_up_result(side), {"paired.svg": figures.paired_svg(made_up_result(side)).encode()})
    table = html[html.index("<table>") : html.index("</table>")]
    assert "ipsi" not in table
    assert "left − right" in table


def test_text_from_users_is_escaped():
    text = report_html(made_up_result(site="<script>alert(1)</script>"), {"paired.svg": b""})
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def open_in_chromium(page, folder) -> tuple[list[str], list[str]]:
    """Console lines and addresses outside the file that the page asked for (not those of the browser itself)."""
    folder.mkdir()
    net_log, shot = folder / "net.json", folder / "page.png"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={net_log}",
        f"--screenshot={shot}",
        "--window-size=1200,3000",
    ]
    run = subprocess.run(
        [CHROMIUM, *options, page.as_uri()], capture_output=True, encoding="utf-8", timeout=90, check=False
    )
    assert shot.stat().st_size > 10_000
    events = json.loads(net_log.read_text(encoding="utf-8"))["events"]
    asked = [event["params"] for event in events if "url" in event.get("params", {})]
    by_page = [p["url"] for p in asked if p.get("initiator", "not an origin") != "not an origin"]
    return re.findall(r"CONSOLE.*", run.stderr), [u for u in by_page if u.startswith(("http", "ws", "ftp"))]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_report_opens_in_chromium_without_errors_or_requests(pictures, tmp_path):
    report, leaky = tmp_path / "report.html", tmp_path / "leaky.html"
    html = report_html(made_up_result(), pictures)
    report.write_text(html, encoding="utf-8")
    assert open_in_chromium(report, tmp_path / "good") == ([], [])
    # The same page with what the test looks for: the test can see it.
    html = re.sub(r"<meta http-equiv=.*?>", "", html)
    leak = '<img src="http://127.0.0.1:9/x.png"><script>console.error("seen")</script>'
    leaky.write_text(html.replace("</main>", f"{leak}</main>"), encoding="utf-8")
    console, asked = open_in_chromium(leaky, tmp_path / "bad")
    assert any("seen" in line for line in console)
    assert "http://127.0.0.1:9/x.png" in asked


def test_the_summary_can_be_read_as_json():
    json.dumps(made_up_result().as_dict(), allow_nan=False)
