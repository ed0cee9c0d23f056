"""The lesion proposal on a head of known make: the template brain itself, turned, tilted and damaged."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from RegionalBrainAgeLib.anatomy.template import template_brain
from RegionalBrainAgeLib.geometry.image import Image, resample, to_canonical
from RegionalBrainAgeLib.lesion.proposal import propose_lesion
from RegionalBrainAgeLib.lesion.simulation import paint_lesion, simulate_lesion


@pytest.fixture(scope="module")
def head():
    """The template brain at 1.5 mm with noise, fluid around it: (head, brain mask)."""
    template = template_brain()
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = (-84, -120, -72)
    like = Image(np.zeros((113, 141, 113), np.uint8), affine)
    values = resample(template, like).array
    brain = values > 10
    noise = np.random.default_rng(0).normal(0, 2.0, values.shape)
    return Image((np.where(brain, values, 12) + noise).astype(np.float32), affine), Image(brain, affine)


def dice(a: Image, b: Image) -> float:
    return float(2 * np.sum(a.array & b.array) / max(np.sum(a.array) + np.sum(b.array), 1))


def in_place(native_from_template=None):
    """A registration that knows the truth; only its affine part is used."""
    return SimpleNamespace(native_from_template=np.eye(4) if native_from_template is None else native_from_template)


def test_a_head_without_a_lesion_gets_no_proposal(head):
    t1, brain = head
    assert not propose_lesion(t1, brain, in_place()).array.any()


@pytest.mark.parametrize(("side", "territory", "volume_ml"), [("L", "MCA", 60.0), ("R", "PCA", 25.0)])
def test_a_large_chronic_lesion_is_outlined_on_its_own_side(head, side, territory, volume_ml):
    t1, brain = head
    lesion = resample(simulate_lesion(volume_ml, side, territory, seed=2), t1)
    proposal = propose_lesion(paint_lesion(t1, lesion, brain), brain, in_place())
    assert dice(proposal, lesion) >= 0.6
    x_mm = proposal.ras_from_ijk[0, 0] * np.nonzero(proposal.array)[0] + proposal.ras_from_ijk[0, 3]
    assert np.mean(x_mm < 0 if side == "L" else x_mm > 0) > 0.98


def test_the_proposal_follows_a_tilted_head_stored_in_another_order(head):
    t1, brain = head
    lesion = resample(simulate_lesion(50.0, "R", "MCA", seed=3), t1)
    painted = paint_lesion(t1, lesion, brain)
    straight = propose_lesion(painted, brain, in_place())
    angle = np.deg2rad(12.0)
    tilt = np.eye(4)
    tilt[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilt[:3, 3] = (7, -4, 11)
    flip = np.array([[0, -1, 0, 112.0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])

    def moved(image):
        """First axis reversed and stored second: voxel (i, j) of the new array is old (112 - j, i)."""
        return Image(image.array[::-1].transpose(1, 0, 2).copy(), tilt @ image.ras_from_ijk @ flip)

    turned = propose_lesion(moved(painted), moved(brain), in_place(tilt))
    assert turned.shape == (141, 113, 113)
    back = to_canonical(Image(turned.array, np.linalg.inv(tilt) @ turned.ras_from_ijk))
    assert dice(back, straight) > 0.98


def test_grids_that_differ_are_not_compared_silently(head):
    t1, brain = head
    with pytest.raises(ValueError, match="one grid"):
        propose_lesion(t1, Image(brain.array, np.diag([2.0, 2, 2, 1])), in_place())
