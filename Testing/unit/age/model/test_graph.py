"""The brain graph against anatomy that can be looked up."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import NODE_NAMES, NODE_SIDES
from RegionalBrainAgeLib.age.model.graph import brain_edges, parcel_centres_mm, parcel_edges
from RegionalBrainAgeLib.age.vertices.mesh_network import spread_membership
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES


@pytest.fixture(scope="module")
def edges():
    return parcel_edges()


def within_hops(edges, nodes, hops):
    """By repeated steps from every node, the slow way."""
    reached = np.eye(nodes, dtype=bool)
    for _ in range(hops):
        step = reached.copy()
        for one, other in edges:
            step[:, one] |= reached[:, other]
            step[:, other] |= reached[:, one]
        reached = step
    return reached


def number(name):
    return PARCEL_NAMES.index(name)


def test_edges_join_known_neighbours_and_no_strangers(edges):
    pairs = {tuple(pair) for pair in edges}
    for side in ("lh", "rh"):
        for one, other in (("G_precentral", "S_central"), ("G_postcentral", "S_central"), ("G_cuneus", "S_calcarine")):
            assert tuple(sorted((number(f"{side}_{one}"), number(f"{side}_{other}")))) in pairs
        assert tuple(sorted((number(f"{side}_Pole_temporal"), number(f"{side}_Pole_occipital")))) not in pairs


def test_edges_stay_in_a_hemisphere_and_reach_every_parcel(edges):
    assert ((edges[:, 0] < 74) == (edges[:, 1] < 74)).all()
    reach = within_hops(edges, 148, 20)
    assert reach[:74, :74].all()
    assert reach[74:, 74:].all()
    assert not reach[:74, 74:].any()


def test_the_two_hemispheres_have_much_the_same_graph(edges):
    left = {tuple(pair) for pair in edges if pair[0] < 74}
    right = {tuple(pair - 74) for pair in edges if pair[0] >= 74}
    assert len(left & right) / len(left | right) > 0.75


def test_centres_are_on_their_side():
    centres = parcel_centres_mm()
    assert (centres[:74, 0] < 0).all()
    assert (centres[74:, 0] > 0).all()


def test_membership_spreads_as_far_as_the_hops_allow(edges):
    membership = np.zeros((1, 148))
    membership[0, 10] = 1.0
    for hops in (0, 1, 3):
        spread = spread_membership(edges, membership, hops)
        assert spread.sum() == pytest.approx(1.0)
        np.testing.assert_array_equal(spread[0] > 0, within_hops(edges, 148, hops)[10])


def test_the_brain_graph_joins_every_node_and_no_pair_twice():
    edges = brain_edges()
    assert len({tuple(sorted(edge)) for edge in edges.tolist()}) == len(edges)
    assert within_hops(edges, len(NODE_NAMES), 12).all()
    names = {tuple(sorted((NODE_NAMES[a], NODE_NAMES[b]))) for a, b in edges}
    assert ("Left-Hippocampus", "Left-Inf-Lat-Vent") in names
    across = [(a, b) for a, b in edges if {NODE_SIDES[a], NODE_SIDES[b]} == {"L", "R"}]
    mirrored = [NODE_NAMES[a].replace("lh_", "rh_").replace("Left-", "Right-") == NODE_NAMES[b] for a, b in across]
    assert len(across) == 88
    assert all(mirrored)
