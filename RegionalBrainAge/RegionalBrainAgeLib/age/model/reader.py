"""Reads brains view by view: the regions of each hemisphere from that hemisphere, the global age from one or both."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..norms.deviations import (
    deviation_factor,
    deviation_loads,
    network_deviations,
    slope_on_age,
    smooth_deviations,
    with_deviations,
)
from ..norms.norms import Norms
from ..norms.reading import (
    READ_AGES_YEARS,
    AgeCurves,
    Field,
    age_curves,
    by_visible_nodes,
    read_ages,
    regions_to_shield,
    standard_errors,
)
from .graph import parcel_centres_mm
from .views import VIEWS, nodes_in_view


@dataclass(frozen=True)
class RawAges:
    """Ages of n people before anything is said of their errors.

    Parameters
    ----------
    regional_years : (n, R). whole_years : (n, 3) by view of `VIEWS`; NaN where nothing is in view.
    widening : (n, 3) standard error of the age in each view over that with every node in view, at least 1.
    misfit : (n, 3) of each view, see `norms.reading.Reading`; NaN where nothing is in view.
    """

    regional_years: np.ndarray
    whole_years: np.ndarray
    widening: np.ndarray
    misfit: np.ndarray

    @classmethod
    def unread(cls, people: int, regions: int) -> RawAges:
        """Of people of whom nothing is read yet."""
        views = len(VIEWS)
        return cls(
            np.full((people, regions), np.nan),
            np.full((people, views), np.nan),
            np.ones((people, views)),
            np.full((people, views), np.nan),
        )

    def put(self, rows: np.ndarray, found: RawAges) -> None:
        """Writes the ages of some people into those of all."""
        for values, own in zip(vars(self).values(), vars(found).values(), strict=True):
            values[rows] = own

    def take(self, rows: np.ndarray) -> RawAges:
        """The ages of these people."""
        return RawAges(*(values[rows] for values in vars(self).values()))


@dataclass(frozen=True)
class Reader:
    """Reads people under one set of norms with one field.

    Parameters
    ----------
    field : precision of nodes, nothing said of deviations.
    norms : of the same nodes.
    curves : see `norms.reading`. deviating, loads : (K, P) and (K, R), see `norms.deviations.deviation_factor` and
        `norms.deviations.deviation_loads`.
    region_view : (R,) 0 for regions of the left hemisphere, 1 for those of the right one.
    shared : (K, R) residual SD of the parcels of every region, 0 elsewhere.
    shielded : (R,) boolean, see `norms.reading.regions_to_shield`.
    """

    field: Field
    norms: Norms
    curves: AgeCurves
    deviating: np.ndarray
    loads: np.ndarray
    region_view: np.ndarray
    shared: np.ndarray
    shielded: np.ndarray
    _errors: dict = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def read(
        self,
        standardised: np.ndarray,
        visible: np.ndarray,
        male: np.ndarray,
        controls: int = 0,
        error_covariance: np.ndarray | None = None,
    ) -> RawAges:
        """Ages from standardised values.

        Parameters
        ----------
        standardised : (n, K), scanner and route taken off. visible : (n, K) boolean; only these are looked at.
        controls : number of people the scanner was calibrated with.
        error_covariance : (K, K) of the route.
        """
        ages = RawAges.unread(len(standardised), self.loads.shape[1])
        visible = visible & np.isfinite(standardised)
        for number, view in enumerate(VIEWS):
            for rows, nodes in by_visible_nodes(visible & nodes_in_view(view)):
                if not nodes.any():
                    continue
                precision = self._precision(nodes, controls, error_covariance)
                curves = self.curves.of_nodes(nodes)
                values = standardised[rows][:, nodes]
                own = np.nonzero(self.region_view == number)[0]
                shields = {int(region): self.shared[nodes, region] for region in own if self.shielded[region]}
                found = read_ages(values, male[rows], precision, curves, self.loads[nodes], shields)
                ages.whole_years[rows, number] = found.age_years
                ages.regional_years[np.ix_(rows, own)] = found.region_years[:, own]
                ages.misfit[rows, number] = found.misfit
                errors = standard_errors(precision, curves) / self._complete_errors(number, controls)
                at = np.clip(np.rint(found.age_years - READ_AGES_YEARS[0]).astype(int), 0, len(READ_AGES_YEARS) - 1)
                ages.widening[rows, number] = np.maximum(errors[np.asarray(male[rows], dtype=int), at], 1.0)
        return ages

    def _precision(
        self, nodes: np.ndarray, controls: int = 0, error_covariance: np.ndarray | None = None
    ) -> np.ndarray:
        """(v, v) inverse covariance of the nodes in view, whose regions may deviate."""
        return with_deviations(self.field.precision(nodes, controls, error_covariance), self.deviating[nodes])

    def _complete_errors(self, view: int, controls: int) -> np.ndarray:
        """(2, A) standard errors with every known node of a view measured by FreeSurfer."""
        if (view, controls) not in self._errors:
            nodes = nodes_in_view(VIEWS[view]) & np.isfinite(self.norms.scale)
            precision = self._precision(nodes, controls)
            self._errors[view, controls] = standard_errors(precision, self.curves.of_nodes(nodes))
        return self._errors[view, controls]


def make_reader(field_: Field, norms: Norms, membership: np.ndarray, region_sides: np.ndarray) -> Reader:
    """A reader of regions.

    Parameters
    ----------
    membership : (R, 148) weights of the parcels. region_sides : (R,) "L" or "R".
    """
    parcels = membership.shape[1]
    side = (np.arange(parcels) >= parcels // 2).astype(int)
    deviations = smooth_deviations(parcel_centres_mm(), side) + network_deviations(membership)
    slope = slope_on_age(norms)
    deviating, loads = deviation_factor(slope, deviations), deviation_loads(slope, deviations, membership)
    curves = age_curves(norms)
    region_view = (np.asarray(region_sides) == "R").astype(int)
    spread = np.sqrt(np.diag(norms.residual_covariance))
    shared = np.zeros_like(loads)
    shared[:parcels] = spread[:parcels, None] * (membership.T > 0)
    shielded = np.zeros(len(membership), dtype=bool)
    for number in (0, 1):
        nodes = nodes_in_view(VIEWS[number]) & np.isfinite(norms.scale)
        precision = with_deviations(field_.precision(nodes), deviating[nodes])
        low = regions_to_shield(precision, curves.of_nodes(nodes), shared[nodes])
        shielded |= low & (region_view == number)
    # Both sides of a network are read alike.
    mirrored = np.roll(membership, parcels // 2, axis=1)
    shielded |= shielded[(membership @ mirrored.T).argmax(axis=0)]
    return Reader(field_, norms, curves, deviating, loads, region_view, shared, shielded)
