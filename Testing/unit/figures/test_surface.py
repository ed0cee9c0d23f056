"""Views of a surface: each shows its own side, with the letters where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.figures.marks import slice_rgb
from RegionalBrainAgeLib.figures.surface import VIEWS, spread, surface_views


@pytest.fixture(scope="module")
def views():
    """An ellipsoid; regions 1 left front, 2 right front, 3 left back, 4 right back; a lesion in the left front."""
    i, j, k = np.meshgrid(np.arange(-34, 35), np.arange(-42, 43), np.arange(-30, 31), indexing="ij")
    solid = np.clip(1.5 - ((i / 28) ** 2 + (j / 36) ** 2 + (k / 24) ** 2), 0, 1)
    left = i < 0
    own = {"L": np.where(j > 0, 1, 3), "R": np.where(j > 0, 2, 4)}
    lesion = (i + 24) ** 2 + (j - 12) ** 2 + k**2 < 40
    return {view.view.name: view for view in surface_views(solid, left, own, lesion)}


def test_the_display_shows_the_patients_left_on_the_right():
    gray = np.zeros((10, 6))  # first axis runs to the patient's right, second forwards
    gray[0, 5] = 1.0  # far left, front
    rgb = slice_rgb(gray, 1)
    assert rgb.shape == (6, 10, 3)
    assert np.unravel_index(rgb[..., 0].argmax(), (6, 10)) == (0, 9)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_letters_stand_at_the_ends_they_name(views, view):
    seen = views[view.name]
    region = seen.region
    columns = {label: np.nonzero(region == label)[1].mean() for label in np.unique(region[seen.hit])}
    if view.hemisphere == "both":
        assert view.ends == ("R", "L")
        assert columns[2] < columns[1]
        assert np.nonzero(region == 1)[0].mean() < np.nonzero(region == 3)[0].mean()  # front is up
    else:
        front, back = {"L": (1, 3), "R": (2, 4)}[view.hemisphere]
        assert set(columns) == {front, back}
        assert view.ends == (("A", "P") if columns[front] < columns[back] else ("P", "A"))


def test_the_lesion_is_seen_from_its_own_side_only(views):
    assert views["left, outer face"].lesion.any()
    assert not views["right, outer face"].lesion.any()


def test_labels_are_spread_to_the_nearest_voxel_within_reach_and_no_farther():
    """Oracle: all distances from every voxel to every labelled one; near the edge of the volume too."""
    rng = np.random.default_rng(3)
    labels = np.zeros((20, 16, 14), int)
    places = rng.integers(0, (20, 9, 9), (6, 3))
    labels[tuple(places.T)] = [1, 2, 3, 4, 5, 6]
    where = rng.random(labels.shape) < 0.7
    found = spread(labels, where, 3.5)
    voxels = np.argwhere(where)
    places = np.argwhere(labels)
    distance = np.linalg.norm(voxels[:, None] - places[None], axis=-1)
    for voxel, away in zip(voxels, distance, strict=True):
        nearest = {labels[tuple(place)] for place in places[away == away.min()]}
        assert found[tuple(voxel)] in (nearest if away.min() <= 3.5 else {0})
    assert not found[~where].any()
    assert not spread(np.zeros_like(labels), where, 3.5).any()
