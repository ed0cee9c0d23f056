"""Structures: names as FreeSurfer writes them, sides, and neighbours mirrored like the brain."""

from __future__ import annotations

import numpy as np
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.structures import (
    FLUID_STRUCTURES,
    STRUCTURE_NAMES,
    STRUCTURE_SIDES,
    mirrored_pairs,
    structure_edges,
)

NODES = (*PARCEL_NAMES, *STRUCTURE_NAMES)


def test_there_are_fourteen_pairs_and_four_midline_structures():
    assert len(STRUCTURE_NAMES) == len(set(STRUCTURE_NAMES)) == len(STRUCTURE_SIDES) == 32
    assert STRUCTURE_SIDES.count("L") == STRUCTURE_SIDES.count("R") == 14


def test_fluid_holds_the_ventricles_but_not_the_ventral_diencephalon():
    assert {"Left-Lateral-Ventricle", "Right-Inf-Lat-Vent", "3rd-Ventricle", "4th-Ventricle", "CSF"} <= FLUID_STRUCTURES
    assert "Left-VentralDC" not in FLUID_STRUCTURES
    assert "Left-Thalamus" not in FLUID_STRUCTURES
    assert len(FLUID_STRUCTURES) == 9


def test_mirrored_pairs_carry_the_same_name_on_both_sides():
    for left, right in mirrored_pairs():
        one, other = NODES[left], NODES[right]
        assert one.replace("lh_", "rh_").replace("Left-", "Right-") == other != one


def test_edges_mirror_and_never_join_the_hemispheres():
    mirror = {int(a): int(b) for a, b in [*mirrored_pairs(), *mirrored_pairs()[:, ::-1]]}
    edges = {tuple(edge) for edge in structure_edges()}
    assert edges == {tuple(sorted((mirror.get(a, a), mirror.get(b, b)))) for a, b in edges}
    left = {a for a, _ in mirrored_pairs()}
    right = {b for _, b in mirrored_pairs()}
    assert not any((a in left and b in right) or (a in right and b in left) for a, b in edges)
    assert np.unique(structure_edges()).max() < len(NODES)
