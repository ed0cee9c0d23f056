"""People with their features, one row each: what norms, networks and evaluations work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from ..anatomy.parcels import PARCEL_NAMES
from ..errors import InputError
from .features import NODE_NAMES, NODE_SIDES, Features

_PARCELS = len(PARCEL_NAMES)


@dataclass(frozen=True)
class People:
    """One row per person.

    Parameters
    ----------
    person, site : (N,) strings.
    age_years : (N,) float.
    male : (N,) float, 1 for men, 0 for women.
    values : (N, 181) float in the order of `NODE_NAMES`: thickness of parcels (mm), volumes of structures and of the
        intracranial space (mm3); NaN where missing.
    lesioned_fraction : (N, 181) float, 0 for healthy people.
    lesion_volume_ml : (N, 2) of the left and the right hemisphere.
    dataset : (N,) strings, "" where not told; all are "" if left out.
    route : that measured the values.
    """

    person: np.ndarray
    site: np.ndarray
    age_years: np.ndarray
    male: np.ndarray
    values: np.ndarray
    lesioned_fraction: np.ndarray
    lesion_volume_ml: np.ndarray
    dataset: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))
    route: str = "FreeSurfer"

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.person), len(NODE_NAMES)):
            raise ValueError(f"values must have the shape (people, {len(NODE_NAMES)}), not {self.values.shape}")
        if len(self.dataset) == 0:
            object.__setattr__(self, "dataset", np.full(len(self.person), ""))

    def __len__(self) -> int:
        return len(self.person)

    @property
    def thickness_mm(self) -> np.ndarray:
        """(N, 148) thickness in mm."""
        return self.values[:, :_PARCELS]

    @property
    def lesioned_sides(self) -> np.ndarray:
        """(N, 2) boolean: whether the left and the right hemisphere hold a lesion.

        By the volumes where there are any; otherwise by lesioned nodes.
        """
        volume_ml = np.nan_to_num(self.lesion_volume_ml)
        touched = self.lesioned_fraction > 0
        by_node = np.stack([touched[:, side == NODE_SIDES].any(axis=1) for side in "LR"], axis=1)
        return np.where(volume_ml.any(axis=1)[:, None], volume_ml > 0, by_node)

    def take(self, rows: np.ndarray) -> People:
        """The people of these rows (indices or booleans)."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return People(**{name: v[rows] if isinstance(v, np.ndarray) else v for name, v in values.items()})

    def with_values(self, values: np.ndarray) -> People:
        """The same people with other values (N, 181)."""
        return replace(self, values=values)

    def with_thickness(self, thickness_mm: np.ndarray) -> People:
        """The same people with another thickness (N, 148)."""
        values = self.values.copy()
        values[:, :_PARCELS] = thickness_mm
        return self.with_values(values)


def people_kept(dataset: np.ndarray, site: np.ndarray, left_out: Sequence[str]) -> np.ndarray:
    """(N,) boolean: the people of none of these data sets or sites.

    Raises
    ------
    InputError : a name that the table does not have, or nobody is left.
    """
    known = {*dataset, *site}
    unknown = [name for name in left_out if name not in known]
    if unknown:
        raise InputError(
            f"The table has no data set or site named {unknown[0]}.", "Write the names as the table has them."
        )
    kept = ~(np.isin(dataset, left_out) | np.isin(site, left_out))
    if not kept.any():
        raise InputError("Nobody is left of the table.", "Leave out fewer data sets or sites.")
    return kept


def people_of_features(
    features: Sequence[Features], person: Sequence[str], age_years: Sequence[float], sex: Sequence[str]
) -> People:
    """People of no training site from their features, all measured by one route.

    Parameters
    ----------
    sex : "F" or "M" each.
    """
    rows = [np.concatenate([f.thickness_mm, f.volumes_mm3, [f.intracranial_volume_mm3]]) for f in features]
    lesioned = [np.concatenate([f.lesioned_fraction, f.structure_lesioned_fraction, [0.0]]) for f in features]
    routes = {f.route for f in features}
    if len(routes) != 1:
        raise ValueError(f"people of several routes ({', '.join(sorted(routes))}) must be read apart")
    return People(
        person=np.array(person, dtype=str),
        site=np.full(len(rows), ""),
        age_years=np.array(age_years, dtype=float),
        male=np.array([float(word == "M") for word in sex]),
        values=np.array(rows, dtype=float),
        lesioned_fraction=np.array(lesioned, dtype=float),
        lesion_volume_ml=np.array([f.lesion_volume_ml for f in features], dtype=float),
        route=routes.pop(),
    )
