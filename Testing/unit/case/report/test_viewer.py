"""The viewer inside a report: it starts without a request, and region and row find each other."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from browser import console_and_requests, evaluated, needs_chromium
from made_up_head import made_up_result, made_up_volumes
from RegionalBrainAgeLib.case.report.page import report_html
from RegionalBrainAgeLib.case.report.scene import Scene, make_scene
from RegionalBrainAgeLib.case.report.viewer import viewer_html

# Starts the viewer, clicks the row of a region, then its place in the axial slice.
CLICKS = """
const wait = async test => { for (let i = 0; i < 600 && !test(); i++) await new Promise(r => setTimeout(r, 100)); };
const told = () => document.getElementById("viewer-told").textContent;
document.getElementById("viewer-start").click();
await wait(() => !told().startsWith("Starting") && !told().startsWith("Slices"));
const started = told(), canvas = document.querySelector("#viewer-place canvas");
document.querySelector("tr[data-region=FPN_L]").click();
return {started, drawn: Boolean(canvas && canvas.width), told: told(),
  shown: [...document.querySelectorAll("tr.shown")].map(row => row.dataset.region)};
"""

# Clicks on the axial slice: lateral in the front and in the back of the left hemisphere, and white matter.
CANVAS = """
const wait = async test => { for (let i = 0; i < 600 && !test(); i++) await new Promise(r => setTimeout(r, 100)); };
const told = () => document.getElementById("viewer-told").textContent;
document.getElementById("viewer-start").click();
await wait(() => told().startsWith("Click"));
const canvas = document.querySelector("#viewer-place canvas"), seen = [];
for (const [x, y] of [[0.194, 0.444], [0.194, 0.61], [0.07, 0.4]]) {
  canvas.scrollIntoView({block: "end"});
  const box = canvas.getBoundingClientRect();
  const at = {clientX: box.left + box.width * x, clientY: box.top + box.height * y, bubbles: true, buttons: 1};
  for (const kind of ["mousedown", "mouseup", "click"]) canvas.dispatchEvent(new MouseEvent(kind, at));
  const rows = [...document.querySelectorAll("tr.shown")], place = rows[0]?.getBoundingClientRect();
  seen.push([rows.map(row => row.dataset.region), told(), place && place.top >= -1 && place.bottom <= innerHeight + 1]);
}
return seen;
"""


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(made_up_volumes(), ("L", "R", "L", "R"))


def facts_of(html: str) -> dict:
    return json.loads(re.search(r'id="viewer-facts">(.*?)</script>', html, re.DOTALL).group(1))


def volume_of(html: str, name: str) -> nib.Nifti1Image:
    text = re.search(rf'id="viewer-{name}-volume">(.*?)</script>', html).group(1)
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


def test_the_volumes_in_the_page_are_those_of_the_case(scene):
    html = viewer_html(scene, made_up_result())
    regions = volume_of(html, "regions")
    assert np.array_equal(np.asarray(regions.dataobj), scene.region)
    assert np.allclose(regions.affine, scene.ras_from_ijk)
    lesion = np.asarray(volume_of(html, "lesion").dataobj) > 0
    assert lesion.any()
    assert scene.lesion[lesion].all()


def test_a_regions_place_lies_in_the_region(scene):
    facts = facts_of(viewer_html(scene, made_up_result()))
    for number, place in enumerate(facts["places"], start=1):
        assert (place is None) == (not (scene.region == number).any())
        if place:
            ijk = (np.array(place) * scene.region.shape).astype(int)
            assert scene.region[tuple(ijk)] == number


def test_only_regions_with_something_to_report_are_painted(scene):
    colours = np.array(facts_of(viewer_html(scene, made_up_result()))["colours"]["ages"]).reshape(-1, 4)
    # Nothing, FPN_L not estimable, FPN_R above its range, VIS_L at its edge, VIS_R inside.
    assert (colours[:, 3] > 0).tolist() == [False, True, True, False, False]


def test_an_unknown_age_is_not_painted(scene):
    result = made_up_result(simulated=("age",))
    html = viewer_html(scene, result)
    assert list(facts_of(html)["colours"]) == ["load"]
    assert "what may be read" not in html


def test_code_and_page_without_a_head_stay_below_three_megabytes(scene):
    assert len(viewer_html(scene, made_up_result())) < 3e6


@needs_chromium
def test_the_viewer_starts_and_a_row_finds_its_region(scene, tmp_path):
    result = replace(made_up_result(), qc="pass", warnings=())
    seen = evaluated(report_html(result, {}, viewer_html(scene, result)), CLICKS, tmp_path, wait_ms=120_000)
    assert seen["started"] == "Click a region or a row of the table."
    assert seen["drawn"]
    assert seen["shown"] == ["FPN_L"]
    assert seen["told"].startswith("ipsilesional FPN (L)")


@needs_chromium
def test_a_click_on_the_picture_goes_to_the_regions_row(scene, tmp_path):
    result = replace(made_up_result(), qc="pass", warnings=())
    page = report_html(result, {}, viewer_html(scene, result))
    # So low a window that table and viewer do not fit it together.
    front, back, middle = evaluated(page, CANVAS, tmp_path, "1280,420", wait_ms=60_000)
    assert front[0] == ["FPN_L"]
    assert front[1].startswith("ipsilesional FPN (L)")
    assert back[0] == ["VIS_L"]
    assert front[2], "the row is on the screen after the click"
    assert back[2], "the row is on the screen after the click"
    assert middle[:2] == [[], "No measured cortex of a region here."]


@needs_chromium
def test_the_viewer_asks_for_nothing_and_logs_no_error(scene, tmp_path):
    html = report_html(made_up_result(), {}, viewer_html(scene, made_up_result()))
    page = tmp_path / "report.html"
    start = "<script>addEventListener('load', () => document.getElementById('viewer-start').click())</script></body>"
    page.write_text(html.replace("</body>", start), encoding="utf-8")
    console, asked = console_and_requests(page, tmp_path / "run", wait_ms=60_000)
    assert any("NIIVUE VERSION" in line for line in console), "the viewer started"
    assert asked == []
    assert not [line for line in console if "rror" in line or "refuse" in line.lower()]
