"""Which nodes are looked at: sides apart, and fluid a lesion may have widened left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from RegionalBrainAgeLib.age.features import FLUID_NODES, NODE_NAMES, NODE_SIDES
from RegionalBrainAgeLib.age.model.views import fluid_touched, global_view, nodes_in_view


def lesioned(people, left_ml, right_ml):
    return replace(people, lesion_volume_ml=np.tile([left_ml, right_ml], (len(people), 1)))


def names(mask):
    return {name for name, inside in zip(NODE_NAMES, mask, strict=True) if inside}


def test_a_hemisphere_never_sees_the_other_one():
    assert not (NODE_SIDES[nodes_in_view("left")] == "R").any()
    assert not (NODE_SIDES[nodes_in_view("right")] == "L").any()
    assert nodes_in_view("both").all()


def test_a_healthy_brain_keeps_its_ventricles(made_people):
    assert not fluid_touched(made_people).any()
    assert (global_view(made_people) == 2).all()


def test_a_small_lesion_takes_the_fluid_of_its_side_and_the_other_side_gives_the_global_age(made_people):
    people = lesioned(made_people, 5.0, 0.0)
    assert names(fluid_touched(people)[0]) == {"Left-Lateral-Ventricle", "Left-Inf-Lat-Vent", "Left-choroid-plexus"}
    assert (global_view(people) == 1).all()


def test_a_large_lesion_takes_the_fluid_of_the_midline_too(made_people):
    touched = fluid_touched(lesioned(made_people, 0.0, 40.0))[0]
    assert {"3rd-Ventricle", "4th-Ventricle", "CSF", "Right-Lateral-Ventricle"} <= names(touched)
    assert not (touched & (NODE_SIDES == "L")).any()
    assert not (touched & ~FLUID_NODES).any()


def test_a_lesioned_thalamus_takes_the_third_ventricle(made_people):
    fraction = made_people.lesioned_fraction.copy()
    fraction[:, NODE_NAMES.index("Left-Thalamus")] = 0.1
    touched = fluid_touched(replace(lesioned(made_people, 1.0, 0.0), lesioned_fraction=fraction))[0]
    assert "3rd-Ventricle" in names(touched)


def test_lesions_of_both_sides_leave_both_in_view(made_people):
    assert (global_view(lesioned(made_people, 3.0, 3.0)) == 2).all()
