"""The quality page: pictures on the right side, outliers found, nothing of a table run as code, decisions kept."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from browser import needs_axe, what_shuts_readers_out
from made_up_head import made_up_result, made_up_volumes
from PIL import Image as Picture
from RegionalBrainAgeLib.batch.review.decisions import apply_decisions
from RegionalBrainAgeLib.batch.review.outliers import METRICS, case_metrics, find_outliers, modified_z
from RegionalBrainAgeLib.batch.review.quality_page import write_quality_page
from RegionalBrainAgeLib.batch.review.thumbnails import KINDS, _widest, draw_thumbnails
from RegionalBrainAgeLib.batch.run.case_records import Store
from RegionalBrainAgeLib.batch.run.tables import write_processed
from RegionalBrainAgeLib.case.result.tables import PROCESSED_NAME, processed_columns
from RegionalBrainAgeLib.files.images import write_image
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.geometry.image import Image
from scipy import ndimage

NETWORKS = ["fpn", "vis"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What a reviewer does, and what the page then shows and saves.
CLICKS = """<script>
const told = [];
const ids = () => [...document.querySelectorAll("#cases tbody tr")].filter(r => !r.hidden).map(r => r.dataset.case);
document.querySelector("button[data-key=similarity]").click(); told.push(ids());
document.querySelector("button[data-key=similarity]").click(); told.push(ids());
const row = id => document.querySelector(`tr[data-case=${id}]`);
row("P03").dispatchEvent(new KeyboardEvent("keydown", { key: "r", bubbles: true }));
document.querySelector("#reviewer").value = "Dr A";
row("P05").querySelector("input[value=accept]").click();
row("P05").querySelector(".note").value = "ok\\tthen";
row("P05").querySelector(".note").dispatchEvent(new Event("change", { bubbles: true }));
HTMLAnchorElement.prototype.click = function () {
  told.push([this.download, decodeURIComponent(this.href.split(",")[1])]);
};
document.querySelector("#save").click();
document.querySelector("#show").value = "reject"; document.querySelector("#show").dispatchEvent(new Event("change"));
told.push(ids());
document.body.innerHTML = "<pre></pre>"; document.querySelector("pre").textContent = JSON.stringify(told);
</script></body>"""


def leave_volumes(folder, flip=()):
    """The volumes of a made-up case, and its head; the lesion lies in the patient's left front."""
    volumes = made_up_volumes(flip)
    folder.mkdir(parents=True)
    images = {
        "desc-brain_mask": volumes.brain,
        "desc-lesion_mask": volumes.lesion,
        "desc-regions_dseg": volumes.regions.first_region(),
        "desc-parcels_dseg": volumes.parcels,
        "desc-thickness_map": volumes.thickness,
    }
    for name, image in images.items():
        write_image(image, folder / f"{folder.name}_{name}.nii.gz")
    room = 12  # voxels: a head of 82 mm is refused
    head = np.pad(volumes.t1.array, room, mode="edge")
    head = head + np.random.default_rng(0).normal(0, 3, head.shape).astype(np.float32)
    ras_from_ijk = volumes.t1.ras_from_ijk.copy()
    ras_from_ijk[:3, 3] = (ras_from_ijk @ [-room, -room, -room, 1])[:3]
    write_image(Image(head.astype(np.float32), ras_from_ijk), folder.parent / "head.nii.gz")
    return folder, folder.parent / "head.nii.gz"


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Picture.open(io.BytesIO(jpeg))).astype(int)


@pytest.mark.parametrize("flip", [(), (0,), (1, 2)])
def test_the_left_lesion_is_on_the_right_of_its_picture_in_every_voxel_order(tmp_path, flip):
    pictures = draw_thumbnails(*leave_volumes(tmp_path / "sub-a", flip))
    assert set(pictures) == set(KINDS)
    lesion = pixels(pictures["lesion"])
    axial = lesion[:, : lesion.shape[1] * 52 // (52 + 52 + 68)]  # brain of 52 x 68 x 48 mm: three tiles side by side
    bright = axial.mean(axis=2) > 110
    lesion_there = np.argwhere(ndimage.binary_fill_holes(bright) & ~bright)  # dark, with a bright outline
    assert len(lesion_there) > 15
    row, column = lesion_there.mean(axis=0)
    assert column > axial.shape[1] / 2
    assert row < axial.shape[0] / 2  # the front is up


def test_every_slice_has_its_letters(tmp_path):
    """White in the lower corners of each slice, where the made-up head has only dark background."""
    picture = pixels(draw_thumbnails(*leave_volumes(tmp_path / "sub-a"))["mask"]).min(axis=2)
    # The brain measures 52 x 68 x 48 mm; with 6 mm around it, at 1.5 mm: 44 x 55 x 41 pixels, three between slices.
    for left, width, height in ((0, 44, 55), (47, 44, 41), (94, 55, 41)):
        corners = picture[height - 13 : height, left : left + width]
        assert corners[:, :11].max() > 180
        assert corners[:, -11:].max() > 180


def test_a_case_without_a_lesion_has_no_picture_of_one_and_its_grade_is_told(tmp_path):
    made_cases(tmp_path, 2)
    path = tmp_path / "sub-P00" / "sub-P00_case.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(summary | {"image_grade": {"grade": "C", "measures": []}}), encoding="utf-8")
    table = (tmp_path / PROCESSED_NAME).read_text(encoding="utf-8").splitlines()
    side = table[0].split(",").index("lesion_side")
    cells = table[2].split(",")
    cells[side] = "none"
    (tmp_path / PROCESSED_NAME).write_text("\n".join([*table[:2], ",".join(cells)]) + "\n", encoding="utf-8")
    drawn = leave_volumes(tmp_path / "drawn" / "sub-x")
    for name in ("sub-P00", "sub-P01"):
        for kind, content in draw_thumbnails(*drawn).items():
            thumbnail = Store(tmp_path).thumbnail_path(name, kind)
            thumbnail.parent.mkdir(parents=True, exist_ok=True)
            thumbnail.write_bytes(content)
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert page.count("image grade C") == 1
    assert 'alt="lesion of P00"' in page
    assert 'alt="lesion of P01"' not in page
    assert 'alt="mask of P01"' in page


def made_cases(out, count: int, odd: int | None = None, **words):
    """Case folders with a summary each, and the table of them."""
    Store(out).folder.joinpath("records").mkdir(parents=True)
    rows, ids = {}, []
    for number in range(count):
        case_id = f"P{number:02d}"
        result = made_up_result()
        result = replace(result, case=replace(result.case, case_id=case_id, **words))
        summary = result.as_dict()
        summary["provenance"]["registration_similarity"] = 0.5 if number == odd else 0.9 + 0.001 * number
        folder = out / f"sub-{case_id}"
        folder.mkdir(parents=True)
        (folder / f"sub-{case_id}_case.json").write_text(json.dumps(summary), encoding="utf-8")
        rows[case_id] = {k: "" if v is None else str(v) for k, v in result.processed_row("1").items()}
        ids.append(case_id)
    write_processed(out, processed_columns(NETWORKS), ids, rows)
    return ids


def test_a_case_unlike_its_batch_is_marked_and_no_other(tmp_path):
    made_cases(tmp_path, 12, odd=4)
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    counts = dict(re.findall(r'data-case="(P\d+)".*?data-outliers="(\d)"', page))
    assert {case for case, count in counts.items() if count != "0"} == {"P04"}


def test_a_case_that_is_not_real_says_so(tmp_path):
    made_cases(tmp_path, 2, simulated=("lesion", "age"))
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert page.count("simulated: lesion and age") == 2
    assert page.count("age not known") == 2
    made_cases(tmp_path / "real", 2)
    assert "simulated:" not in write_quality_page(tmp_path / "real").read_text(encoding="utf-8")


def test_what_a_table_says_is_never_run(tmp_path):
    made_cases(tmp_path, 2, site="<script>alert(1)</script>\"'><img src=x onerror=alert(1)>")
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert page.count("<script>") == 1
    assert "<img src=x" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_page_shows_decisions_and_failed_cases(tmp_path):
    made_cases(tmp_path, 3)
    (tmp_path / "qc.tsv").write_text("case_id\tdecision\treviewer\tnote\nP01\treject\tme\tmoved\n", encoding="utf-8")
    (tmp_path / "failed_cases.csv").write_text(
        "line,case_id,stage,reason,log\n9,P09,list,The age is missing.,\n", encoding="utf-8"
    )
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert re.search(r'data-case="P01" data-decision="reject"', page)
    assert 'value="moved"' in page
    assert "The age is missing." in page


def test_a_note_is_shown_as_the_reviewer_wrote_it(tmp_path):
    made_cases(tmp_path, 3)
    lines = ["case_id\tdecision\treviewer\tnote", "P00\treject\tn/a\tn/a", "P01\treject\tme\tcontrast n/a, moved"]
    (tmp_path / "qc.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert 'value="contrast n/a, moved"' in page
    assert 'value="n/a"' not in page


@needs_axe
def test_the_page_shuts_no_reader_out_on_a_narrow_screen(tmp_path):
    made_cases(tmp_path, 3)
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert what_shuts_readers_out(page, tmp_path / "browser", "500,800") == []


def test_a_parcel_the_lesion_took_is_not_a_lost_one():
    summary = made_up_result().as_dict()
    summary["parcels"] = [
        {"thickness_mm": thickness_mm, "lesioned_fraction": share}
        for thickness_mm, share in ((2.5, 0.0), (None, 0.0), (None, 0.95))
    ]
    assert case_metrics(summary)["unmeasured"] == 1


def test_the_lesion_is_shown_where_it_is_widest():
    lesion = np.zeros((20, 30, 40), bool)
    lesion[2:4, 5:7, 6:8] = True  # a small part far away would pull a median between the two
    lesion[12:18, 20:26, 30:36] = True
    at = _widest(lesion)
    assert all(low <= index < high for index, low, high in zip(at, (12, 20, 30), (18, 26, 36), strict=True))


def test_modified_z_is_the_formula_of_iglewicz_and_hoaglin():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 100, np.nan])
    median, mad = 5.0, 2.0  # by hand
    expected = 0.6745 * (values - median) / mad
    assert modified_z(values) == pytest.approx(expected, nan_ok=True)
    assert np.all(modified_z([1.0, 2, 300]) == 0)  # too few to tell
    assert np.all(modified_z([1.0] * 9 + [2.0]) == 0)  # no spread to measure by


def test_metrics_of_a_case_without_images_are_absent_not_zero():
    summary = made_up_result().as_dict()
    for row in summary["regions"]:
        row["region_volume_ml"] = None
    metrics = case_metrics(summary)
    assert set(metrics) == set(METRICS)
    assert np.isnan(metrics["region_ml"])
    assert np.isnan(metrics["similarity"])
    assert find_outliers([metrics] * 10) == [[]] * 10


def test_a_rejected_case_fails_in_the_table_and_an_accepted_one_passes(tmp_path):
    (tmp_path / "qc.tsv").write_text("case_id\tdecision\nP00\treject\nP01\taccept\n", encoding="utf-8")
    made_cases(tmp_path, 3)
    found = {row["case_id"]: row["qc"] for row in read_table(tmp_path / PROCESSED_NAME)}
    assert (found["P00"], found["P01"]) == ("fail", "pass")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_reviewer_sorts_decides_saves_and_the_file_takes_effect(tmp_path):
    made_cases(tmp_path, 12, odd=4)
    page = write_quality_page(tmp_path)
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", CLICKS), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    shown = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, encoding="utf-8", timeout=300
    ).stdout
    up, down, (name, saved), rejected = json.loads(re.search(r"<pre>(.*)</pre>", shown, re.DOTALL).group(1))
    assert (up[0], down[-1]) == ("P04", "P04")  # the case made unlike the others is the least similar
    assert up[1:] == sorted(up[1:])
    assert down[:-1] == up[:0:-1]
    assert rejected == ["P03"]
    (tmp_path / name).write_text(saved, encoding="utf-8")
    assert saved.splitlines()[1:] == ["P03\treject\tn/a\tn/a", "P05\taccept\tDr A\tok then"]
    entered = apply_decisions(tmp_path)
    assert (len(entered.accepted), len(entered.rejected), entered.unknown) == (1, 1, ())


def test_a_case_without_thumbnails_shows_its_reports_pictures_made_small(tmp_path):
    Store(tmp_path)
    write_processed(tmp_path, processed_columns(NETWORKS), ["F1"], {"F1": {"case_id": "F1"}})
    figures = tmp_path / "sub-F1" / "figures"
    figures.mkdir(parents=True)
    Picture.fromarray(np.zeros((400, 1456, 3), np.uint8)).save(figures / "sub-F1_map.jpg")
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)" alt="(\w+) of F1"', page)
    assert [kind for _, kind in found] == ["regions"]
    assert max(Picture.open(io.BytesIO(base64.b64decode(found[0][0]))).size) == 560
