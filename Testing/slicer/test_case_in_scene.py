"""What a finished case looks like in slices and in 3D. Pictures are judged by their content at known places.

Oracle: the hand-made case of `made_case`, whose regions, values and geometry are known in RAS, and the colour scale
evaluated at the table's values.
"""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from made_case import STRAIGHT, made_case, oblique, outside

AFFINES = {"straight": STRAIGHT, "oblique and left-handed": oblique()}
NAMES = list(AFFINES)


def show(host, made, overlay="reading", opacity=1.0):
    from RegionalBrainAgeSlicer.scene import slice_views
    from RegionalBrainAgeSlicer.scene.case_folder import read_case_folder
    from RegionalBrainAgeSlicer.scene.case_scene import open_case, show_overlay
    from RegionalBrainAgeSlicer.work.chunked_work import at_once

    case = read_case_folder(made.folder)
    at_once(open_case(case))
    at_once(show_overlay(case.case_id, overlay))
    slice_views.show_case_in_views(case.case_id, opacity)
    slice_views.fit_views(case.case_id)
    return case


def pixel(host, ras, view="Red") -> np.ndarray:
    slice_view = host.slices[view]
    slice_view.node.JumpSlice(*ras)
    return slice_view.picture()[slice_view.pixel_at(ras)].astype(int)


def pad_colours(made) -> dict[int, np.ndarray]:
    from RegionalBrainAgeLib.figures.palette import NEUTRAL, YearsScale, rgb, years_limit

    unusual = {label: pad for label, pad in made.pads.items() if outside(label, pad)}
    scale = YearsScale(years_limit(unusual.values()))
    tinted = {label: scale.colours(np.array([pad]), np.array([True]))[0] for label, pad in unusual.items()}
    return {label: np.round(255 * tinted.get(label, rgb(NEUTRAL))) for label in made.pads}


@pytest.fixture
def made(request, tmp_path):
    return made_case(tmp_path, "made", AFFINES[getattr(request, "param", "straight")])


@pytest.mark.parametrize("made", NAMES, indirect=True, ids=NAMES)
def test_overlay_colours_equal_the_table_at_every_region_centre(host, made):
    show(host, made)
    for label, colour in pad_colours(made).items():
        seen = pixel(host, made.centres_ras[label])
        assert np.abs(seen - colour).max() <= 3, f"region {label}: seen {seen}, table {colour}"


@pytest.mark.parametrize("made", NAMES, indirect=True, ids=NAMES)
def test_a_region_not_estimable_and_the_lesion_differ_from_pad_zero(host, made):
    show(host, made)
    absent = pixel(host, made.centres_ras[made.not_estimable])
    lesion = pixel(host, made.lesion_centre_ras)
    zero = pixel(host, made.centres_ras[9])
    head = pixel(host, (0.0, 0.0, 0.0))
    seen = {"not estimable": absent, "lesion": lesion, "nothing to report": zero}
    for one in seen:
        for other in seen:
            assert one == other or np.abs(seen[one] - seen[other]).max() > 40, f"{one} looks like {other}: {seen}"
    assert absent.max() - absent.min() <= 12, "not estimable is grey"
    assert head.max() - head.min() == 0, "no colour outside the regions"


def test_there_is_no_veil_outside_the_regions(host, made):
    show(host, made)
    with_overlay = pixel(host, (0.0, -10.0, -2.0))
    background = host.slices["Red"].picture()[5, 5]
    slicer.util.setSliceViewerLayers(foregroundOpacity=0.0)
    without = pixel(host, (0.0, -10.0, -2.0))
    assert np.array_equal(with_overlay, without)
    assert background.max() == 0


def test_the_legend_is_drawn_with_the_scale_and_can_be_told_from_none(host, made):
    show(host, made)
    node = slicer.modules.colors.logic().GetColorLegendDisplayNode(slicer.util.getNode("sub-made PAD (years)"))
    view = host.slices["Red"]
    view.picture()
    shown = view.picture().astype(int)
    node.SetVisibility(False)
    hidden = view.picture().astype(int)
    changed = np.abs(shown - hidden).max(axis=2) > 30
    _rows, columns = np.nonzero(changed)
    assert changed.sum() > 500
    assert columns.min() > 0.6 * view.size[0], "the legend lies at the right edge"
    assert hidden[changed].max() < 60, "beside the head, not over it"
    from RegionalBrainAgeLib.figures.palette import OLDER, YOUNGER, rgb

    for end in (YOUNGER[-1], OLDER[-1]):
        assert np.abs(shown - 255 * rgb(end)).max(axis=2)[changed].min() < 20, "both ends of the scale"


def test_regions_in_3d_have_the_colours_of_the_table(host, made):
    case = show(host, made)
    from RegionalBrainAgeSlicer.scene import case_nodes

    segmentation = case_nodes.find("made", "segments").GetSegmentation()
    assert segmentation.ContainsRepresentation("Closed surface")
    names = {segmentation.GetSegment(i).GetName(): segmentation.GetSegment(i) for i in segmentation.GetSegmentIDs()}
    assert len(names) == 19, "18 regions and the lesion"
    colours = pad_colours(made)
    for row in case.rows:
        seen = 255 * np.array(names[row.region].GetColor())
        if row.estimable:
            assert np.abs(seen - colours[row.label]).max() <= 1
        else:
            assert np.ptp(seen) < 10, "a grey"
    host.three_d.look_from((1, 0.2, 0.3))
    picture = host.three_d.picture().astype(int)
    saturated = (picture.max(axis=2) - picture.min(axis=2)) > 90
    assert saturated.sum() > 300, "coloured regions are seen in 3D"


@pytest.mark.parametrize("overlay", ["load", "width", "thickness"])
def test_the_other_overlays_show_their_own_numbers(host, made, overlay):
    case = show(host, made, overlay)
    from RegionalBrainAgeSlicer.scene.overlays import overlay_by_key

    chosen = overlay_by_key(case, overlay)
    row = case.rows[11]
    wanted = np.array([round(255 * c) for c in chosen.scale.rgb(chosen.values[row.label])])
    assert np.abs(pixel(host, made.centres_ras[row.label]) - wanted).max() <= 3


def test_the_same_case_shown_twice_looks_the_same_and_leaves_no_second_nodes(host, made):
    show(host, made)
    first = [host.slices[name].picture() for name in host.slices]
    count = slicer.mrmlScene.GetNumberOfNodes()
    show(host, made)
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    for before, view in zip(first, host.slices.values(), strict=True):
        assert np.array_equal(before, view.picture())


@pytest.mark.parametrize("made", NAMES, indirect=True, ids=NAMES)
def test_a_saved_scene_looks_the_same_when_it_is_opened_again(host, made, tmp_path):
    show(host, made)
    for view in host.slices.values():
        view.picture()
    before = {name: view.picture() for name, view in host.slices.items()}
    assert slicer.util.saveScene(str(tmp_path / "saved"))
    slicer.mrmlScene.Clear(0)
    assert host.slices["Red"].picture().max() < 80, "closed: only the view's own background"
    scene_file = next((tmp_path / "saved").rglob("*.mrml"))
    assert slicer.util.loadScene(str(scene_file))
    for view in host.slices.values():
        view.picture()
    for name, view in host.slices.items():
        difference = np.abs(before[name].astype(int) - view.picture().astype(int)).max(axis=2)
        assert (difference > 3).mean() < 0.002, f"{name} differs"
    for label, colour in pad_colours(made).items():
        assert np.abs(pixel(host, made.centres_ras[label]) - colour).max() <= 3
    from RegionalBrainAgeSlicer.scene.case_table import case_in_scene

    case = case_in_scene("made")
    assert [row.region for row in case.rows][:3] == ["SMN_L", "SMN_R", "FPN_L"]
    assert case.rows[4].estimable is False
    assert case.lesion_side == "L"


def test_two_cases_live_in_one_scene(host, tmp_path):
    from RegionalBrainAgeSlicer.scene import case_nodes, slice_views
    from RegionalBrainAgeSlicer.scene.case_scene import show_overlay
    from RegionalBrainAgeSlicer.work.chunked_work import at_once

    one = made_case(tmp_path / "1", "one", STRAIGHT)
    other = made_case(tmp_path / "2", "other", oblique(), scale=-1.0)
    show(host, one)
    show(host, other)
    assert case_nodes.case_ids() == ["one", "other"]
    for made, case_id in ((one, "one"), (other, "other")):
        at_once(show_overlay(case_id, "reading"))
        slice_views.show_case_in_views(case_id, 1.0)
        for label in (1, 18):
            assert np.abs(pixel(host, made.centres_ras[label]) - pad_colours(made)[label]).max() <= 3
    assert not case_nodes.find("one", "segments").GetDisplayNode().GetVisibility()
    assert case_nodes.find("other", "segments").GetDisplayNode().GetVisibility()


def test_the_slices_jump_into_the_region_asked_for(host, made):
    case = show(host, made)
    from RegionalBrainAgeSlicer.scene.slice_views import jump_to_region

    ras = jump_to_region("made", case.rows[13].label)
    assert np.linalg.norm(ras - made.centres_ras[14]) < 2.5
    for view in host.slices.values():
        matrix = view.node.GetSliceToRAS()
        centre = np.array([matrix.GetElement(i, 3) for i in range(3)])
        normal = np.array([matrix.GetElement(i, 2) for i in range(3)])
        assert abs((ras - centre) @ normal) < 0.01


def test_the_dumbbell_plot_shows_both_sides_beside_the_healthy_range(host, made):
    case = show(host, made)
    from RegionalBrainAgeSlicer.scene import case_nodes

    chart = case_nodes.find("made", "plot")
    series = [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [one.GetName() for one in series] == ["healthy range", "difference", "ipsilesional", "contralesional"]
    years = {
        one.GetName(): [one.GetTableNode().GetTable().GetColumnByName("years").GetValue(i) for i in range(3)]
        for one in series
    }
    left, right = case.rows[0].pad_corrected_years, case.rows[1].pad_corrected_years
    assert years["difference"][:2] == [left, right]
    assert years["healthy range"][:2] == [right - 8.0, right + 8.0]
    assert np.isnan(years["difference"][2]), "a gap before the next network"
    assert chart.GetXAxisTitle().startswith("1 SMN   2 FPN")
    assert chart.GetYAxisTitle() == "PAD (years)"
    picture = host.plot.picture(chart)
    assert (picture.min(axis=2) < 200).sum() > 1000
