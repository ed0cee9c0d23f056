"""The report and its pictures, on a small made-up head with a known left and right."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from made_up_head import made_up_result, made_up_volumes
from RegionalBrainAgeLib.case.report import figures
from RegionalBrainAgeLib.case.report.answer import answer
from RegionalBrainAgeLib.case.report.page import report_html
from RegionalBrainAgeLib.case.report.pictures import draw_pictures
from RegionalBrainAgeLib.case.report.scene import Scene, make_scene, views_of
from RegionalBrainAgeLib.case.result.volumes import RegionVolume
from RegionalBrainAgeLib.case.result.write_case import case_summary
from RegionalBrainAgeLib.files.wording import RESEARCH_USE, SIMULATED
from RegionalBrainAgeLib.geometry.image import Image

NAN = float("nan")
HEMISPHERES = ("L", "R", "L", "R")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(made_up_volumes(), HEMISPHERES)


@pytest.fixture(scope="module")
def pictures(scene) -> dict[str, bytes]:
    return draw_pictures(made_up_result(), scene)


class Document(HTMLParser):
    """Text, tags and addresses of an HTML document; text by the id of the element that holds it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "action", "data")]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(("flip", "angle"), [((), 0.0), ((0,), 0.0), ((0, 2), 0.0), ((1,), 0.0), ((), 15.0)])
def test_left_stays_left_on_the_display_however_the_head_is_stored(flip, angle):
    scene = make_scene(made_up_volumes(flip, angle), HEMISPHERES)
    lesion_i = np.nonzero(scene.lesion)[0].mean()
    assert lesion_i < scene.brain.shape[0] / 2  # i runs to the right, the lesion is left
    assert scene.left[scene.lesion].all()
    assert not scene.left[scene.region == 2].any()


def test_colour_lies_on_measured_cortex_only(scene):
    assert (scene.parcel[scene.region > 0] > 0).all()
    # The made-up head has cortex on the left only.
    assert set(np.unique(scene.region)) == {0, 1, 3}


def test_without_measured_cortex_the_atlas_is_drawn_and_said():
    volumes = dataclasses.replace(made_up_volumes(), parcels=None, thickness=None)
    scene = make_scene(volumes, HEMISPHERES)
    assert set(np.unique(scene.region)) == {0, 1, 2, 3, 4}
    assert figures.thickness_jpg(scene) is None


def test_where_freesurfer_measured_each_parcel_shows_its_mean():
    volumes = dataclasses.replace(made_up_volumes(), thickness=None)
    scene = make_scene(volumes, HEMISPHERES, {5: 2.75, 9: 3.5})
    assert np.unique(scene.thickness[np.isfinite(scene.thickness)]) == [np.float32(2.75)]


def test_views_from_each_side_show_that_sides_regions():
    views = {
        view.view.name: view
        for view in views_of(make_scene(dataclasses.replace(made_up_volumes(), parcels=None), HEMISPHERES))
    }
    assert set(np.unique(views["left, outer face"].region)) <= {0, 1, 3}
    assert set(np.unique(views["right, outer face"].region)) <= {0, 2, 4}


def test_overlapping_regions_keep_their_full_extent():
    grid = np.eye(4)
    masks = [Image(np.array([[[True, True, False]]]), grid), Image(np.array([[[False, True, True]]]), grid)]
    regions = RegionVolume.combine(masks)
    for index, mask in enumerate(masks):
        assert np.array_equal(regions.mask(index).array, mask.array)
    assert regions.first_region().array.ravel().tolist() == [1, 1, 2]
    assert regions.paint(np.array([5.0, NAN])).array.ravel()[:2].tolist() == [5.0, 5.0]


def test_the_report_is_one_file_without_scripts_or_links(pictures):
    document = Document(report_html(made_up_result(), pictures))
    assert "script" not in document.tags
    assert document.tags.count("img") >= len(pictures)
    assert all(address.startswith("data:") for address in document.addresses)


def test_the_report_says_what_a_reader_must_know(pictures):
    text = Document(report_html(made_up_result(), pictures)).text
    assert text.count(RESEARCH_USE) == 2
    assert "Not calibrated" in text
    assert "Only comparisons within this patient are safe" in text
    assert "62 % of the region's cortex could not be measured" in text
    assert "holds 800 ml" in text
    assert "−3.0" in text  # a real minus sign
    assert "patient's left is on the right" in text
    assert "SMN" not in text  # only this scheme's networks are explained
    assert "Frontoparietal" in text


def test_the_answer_comes_first_and_is_that_of_the_json(pictures):
    result = made_up_result()
    text = re.sub(r"\s+", " ", Document(report_html(result, pictures)).text)
    assert case_summary(result)["answer"] == answer(result)
    assert text.index(answer(result)) < text.index("Please check") < text.index("Cannot be read")


def test_a_failed_quality_check_comes_before_everything_else(pictures):
    text = Document(report_html(dataclasses.replace(made_up_result(), qc="fail"), pictures)).text
    assert text.index("Do not use this result") < text.index("Not calibrated")
    assert "not read" in text
    assert "+7.5" not in text


def test_a_contrast_stands_beside_its_healthy_range_seen_from_the_lesion(pictures):
    left, right = (Document(report_html(made_up_result(side), pictures)).text for side in "LR")
    assert re.search(r"−2\.0\s*−12\.0 to \+13\.0", left)
    assert re.search(r"\+2\.0\s*−13\.0 to \+12\.0", right)


@pytest.mark.parametrize("side", ["bilateral", "none"])
def test_without_one_side_nothing_is_called_ipsilesional(pictures, side):
    html = report_html(made_up_result(side), {})
    table = html[html.index('<table id="regions"') : html.index("</table>")]
    assert "ipsi" not in table
    assert "left − right" in table


def test_where_the_age_is_not_known_no_age_is_shown_or_painted(scene):
    result = made_up_result(simulated=("lesion", "age"))
    pictures = draw_pictures(result, scene)
    assert "map.jpg" not in pictures
    text = Document(report_html(result, pictures)).text
    assert SIMULATED in text
    assert "+7.5" not in text
    assert "+5.5" not in text


def test_a_motor_score_is_given_in_points(pictures):
    assert "0.14 of 1 (9/66" in Document(report_html(made_up_result(motor=9 / 66), pictures)).text
    assert "0.50 of 1 (33/66" in Document(report_html(made_up_result(motor=0.5), pictures)).text
    assert "(" not in Document(report_html(made_up_result(motor=0.137), pictures)).text.split("0.14 of 1")[1][:3]


def test_text_from_users_is_escaped():
    text = report_html(made_up_result(site="<script>alert(1)</script>"), {})
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_summary_can_be_read_as_json():
    json.dumps(case_summary(made_up_result()), allow_nan=False)
