"""Which nodes may be looked at for which age: each hemisphere by itself, and nothing that a lesion has changed."""

from __future__ import annotations

import numpy as np

from ...anatomy.structures import structure_edges
from ..features import FLUID_NODES, GRAY_NODES, NODE_NAMES, NODE_SIDES, READ_NODES
from ..people import People

VIEWS = ("left", "right", "both")
READ_FROM = ("left hemisphere", "right hemisphere", "both hemispheres")
# From this volume on a lesion is taken to pull the midline.
MIDLINE_LESION_ML = 30.0
_THIRD_VENTRICLE = np.array(NODE_NAMES) == "3rd-Ventricle"


def _tissue_beside(fluid: np.ndarray) -> np.ndarray:
    """(K,) boolean: nodes of tissue that share a border with these (K,) nodes of fluid."""
    edges = structure_edges()
    beside = np.zeros(len(NODE_NAMES), dtype=bool)
    beside[edges[fluid[edges].any(axis=1)]] = True
    return beside & ~FLUID_NODES


_BESIDE_THIRD = _tissue_beside(_THIRD_VENTRICLE)


def nodes_in_view(view: str) -> np.ndarray:
    """(K,) boolean: nodes of this view. The midline belongs to all; a hemisphere never sees the other one."""
    return READ_NODES & {"left": NODE_SIDES != "R", "right": NODE_SIDES != "L", "both": True}[view]


def fluid_touched(people: People) -> np.ndarray:
    """(N, K) boolean: spaces of fluid read for age that a lesion may have widened.

    Lost tissue is replaced by fluid (ex vacuo), which is not ageing. The ventricles of a lesioned side count as touched
    by any lesion; the third ventricle by a lesion of 30 ml or more, or one in the thalamus or the ventral diencephalon,
    which border it.
    """
    large = np.nan_to_num(people.lesion_volume_ml).sum(axis=1, keepdims=True) >= MIDLINE_LESION_ML
    beside_third = (people.lesioned_fraction[:, _BESIDE_THIRD] > 0).any(axis=1, keepdims=True)
    touched = _on_lesioned_sides(people, FLUID_NODES) | ((large | beside_third) & _THIRD_VENTRICLE)
    return touched & READ_NODES


def changed_by_lesion(people: People) -> np.ndarray:
    """(N, K) boolean: what is not missing, but measures a lesion beside age.

    Fluid that a lesion may have widened (`fluid_touched`), and the grey matter of a lesioned side, which the lesion
    has made smaller wherever it lies.
    """
    return fluid_touched(people) | _on_lesioned_sides(people, GRAY_NODES)


def _on_lesioned_sides(people: People, nodes: np.ndarray) -> np.ndarray:
    """(N, K) boolean: those of these (K,) nodes that lie on a side with a lesion."""
    left, right = people.lesioned_sides.T[:, :, None]
    return nodes & (left & (NODE_SIDES == "L") | right & (NODE_SIDES == "R"))


def global_view(people: People) -> np.ndarray:
    """(N,) number of the view of `VIEWS` the global age is read from: the hemisphere without a lesion, or both."""
    left, right = people.lesioned_sides.T
    return np.where(left & ~right, 1, np.where(right & ~left, 0, 2))
