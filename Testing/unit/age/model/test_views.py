"""Which nodes are looked at: sides apart, and fluid a lesion may have widened left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import NODE_NAMES, NODE_SIDES
from RegionalBrainAgeLib.age.model.views import changed_by_lesion, fluid_touched, global_view, nodes_in_view


def lesioned(people, left_ml, right_ml):
    return replace(people, lesion_volume_ml=np.tile([left_ml, right_ml], (len(people), 1)))


def names(mask):
    return {name for name, inside in zip(NODE_NAMES, mask, strict=True) if inside}


# Volumes that differ more between scanners than they tell of age: no age depends on them.
NOT_READ = {"Left-choroid-plexus", "Right-choroid-plexus", "4th-Ventricle", "CSF"}


def test_a_hemisphere_never_sees_the_other_one():
    assert not (NODE_SIDES[nodes_in_view("left")] == "R").any()
    assert not (NODE_SIDES[nodes_in_view("right")] == "L").any()
    assert set(NODE_NAMES) - names(nodes_in_view("both")) == NOT_READ


def test_a_healthy_brain_keeps_its_ventricles(made_people):
    assert not fluid_touched(made_people).any()
    assert (global_view(made_people) == 2).all()


def test_a_small_lesion_takes_the_fluid_of_its_side_and_the_other_side_gives_the_global_age(made_people):
    people = lesioned(made_people, 5.0, 0.0)
    assert names(fluid_touched(people)[0]) == {"Left-Lateral-Ventricle", "Left-Inf-Lat-Vent"}
    assert (global_view(people) == 1).all()


def test_a_large_lesion_takes_the_third_ventricle_too(made_people):
    touched = fluid_touched(lesioned(made_people, 0.0, 40.0))[0]
    assert names(touched) == {"Right-Lateral-Ventricle", "Right-Inf-Lat-Vent", "3rd-Ventricle"}


def in_structure(people, name):
    fraction = people.lesioned_fraction.copy()
    fraction[:, NODE_NAMES.index(name)] = 0.1
    return replace(lesioned(people, 1.0, 0.0), lesioned_fraction=fraction)


@pytest.mark.parametrize(
    ("lesioned_structure", "ventricle"),
    [
        ("Left-Thalamus", {"3rd-Ventricle"}),
        ("Left-VentralDC", {"3rd-Ventricle"}),
        ("Left-Caudate", set()),
        ("Left-Cerebellum-Cortex", set()),
        ("Brain-Stem", set()),
    ],
)
def test_a_small_lesion_takes_the_third_ventricle_only_where_it_borders_it(made_people, lesioned_structure, ventricle):
    touched = fluid_touched(in_structure(made_people, lesioned_structure))[0]
    assert names(touched & (NODE_SIDES == "M")) == ventricle


def test_lesions_of_both_sides_leave_both_in_view(made_people):
    assert (global_view(lesioned(made_people, 3.0, 3.0)) == 2).all()


def test_the_grey_matter_of_a_lesioned_side_is_not_looked_at_and_that_of_the_other_side_is(made_people):
    """What a stroke took from a side's grey matter would read as age wherever it lies."""
    changed = names(changed_by_lesion(lesioned(made_people, 5.0, 0.0))[0])
    assert changed == names(fluid_touched(lesioned(made_people, 5.0, 0.0))[0]) | {"Left-Gray-Matter"}
    assert not changed_by_lesion(made_people).any()
