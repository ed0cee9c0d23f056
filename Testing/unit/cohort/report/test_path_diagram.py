"""The path diagram: every number can be read."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.report import path_diagram
from RegionalBrainAgeCohortLib.report.path_diagram import Place
from RegionalBrainAgeCohortLib.sem.path_model import fit_sem
from RegionalBrainAgeCohortLib.simulate import simulate_cohort

# The default model for one network, written out.
MODEL = """
motor ~ load_cst + age + sex_M
pad_ipsi_fpn ~ load_cst + age + sex_M
pad_contra_fpn ~ motor + pad_ipsi_fpn + load_cst + age + sex_M
"""


@pytest.mark.parametrize("reversed_", [False, True])
def test_labels_of_the_published_model_lie_apart(monkeypatch, reversed_):
    data = pd.DataFrame(simulate_cohort(120, 4, 1))
    data["sex_M"] = (data["sex"] == "M").astype(float)
    text = MODEL.replace("motor ~", "motor ~ pad_contra_fpn +").replace("~ motor + ", "~ ") if reversed_ else MODEL
    spots: list[Place] = []
    label = path_diagram._label
    monkeypatch.setattr(path_diagram, "_label", lambda ax, spot, row: spots.append(spot) or label(ax, spot, row))
    path_diagram.draw_paths(fit_sem(text, data), "Path model")
    assert len(spots) >= 10
    assert max(one.overlap(other) for one, other in combinations(spots, 2)) == 0.0


def test_rectangles_share_the_area_that_both_cover():
    assert Place(0, 0, 2, 2).overlap(Place(1, 0, 2, 2)) == 2.0
    assert Place(0, 0, 2, 2).overlap(Place(3, 0, 2, 2)) == 0.0
