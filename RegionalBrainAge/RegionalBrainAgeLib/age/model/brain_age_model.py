"""A trained model: ages of brains from their features, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ... import __version__
from ...anatomy.regions import RegionScheme
from ...errors import InputError
from ..ages import Ages, GlobalAge
from ..features import FLUID_NODES, FREESURFER, NODE_NAMES, PARCEL_NODES, Features
from ..norms.closed_form import NaiveBayes
from ..norms.norms import Norms
from ..norms.reading import Field
from ..people import People, people_of_features
from .calibration import Calibration, offset_of, read_calibration
from .intervals import ErrorTable, share_of_variance
from .lines import Lines
from .network import AgeNetwork, GraphField
from .reader import RawAges, Reader, make_reader
from .route import RouteModel
from .views import READ_FROM, VIEWS, changed_by_lesion, fluid_touched, global_view

# A region has no age when this share of its cortex, by membership weight, could not be measured; a brain has none when
# this share of the parcels of the hemispheres it is read from could not.
DAMAGE_LIMIT_FRACTION = 0.5
# Controls the references of the state "local" were calibrated with.
REFERENCE_CONTROLS = 20


@dataclass(frozen=True)
class Fold:
    """A network that never saw some sites.

    Parameters
    ----------
    held_out_sites : sites not used for network and norms; empty for the network everyone else is read with.
    norms : of the same people.
    network : trained on the same people.
    errors : by calibration state: errors of healthy people, those of the held-out sites left out.
    """

    held_out_sites: tuple[str, ...]
    norms: Norms
    network: AgeNetwork
    errors: dict[str, ErrorTable] = field(default_factory=dict)


@dataclass(frozen=True)
class BrainAgeModel:
    """Everything needed to give ages; made by `training`, kept in a model folder.

    Parameters
    ----------
    name : of the folder.
    edges : (E, 2) of the brain graph. membership : (R, 148) of the parcels in the regions.
    region_names, scheme : what comes out; names end in _L or _R.
    folds : the last one has no held-out sites.
    routes : models of routes other than FreeSurfer, by name.
    about : training data, versions, recipe: written to model.json as it is.
    as_many : by calibration state and kind of number (`as_many`): shares of healthy people with at least 0, 1, ... of
        them outside their healthy range.
    norms_sha256 : identifies the scale calibrations are made on.
    """

    name: str
    edges: np.ndarray
    membership: np.ndarray
    region_names: tuple[str, ...]
    scheme: str
    folds: tuple[Fold, ...]
    about: dict
    routes: dict[str, RouteModel] = field(default_factory=dict)
    as_many: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    norms_sha256: str = ""
    version: str = __version__
    _readers: dict = field(default_factory=dict, compare=False, repr=False)

    @property
    def region_sides(self) -> np.ndarray:
        """(R,) "L" or "R"."""
        return np.array([name[-1] for name in self.region_names])

    @property
    def _view_of_regions(self) -> np.ndarray:
        """(R,) number of the view, among `VIEWS`, of the hemisphere a region lies in."""
        return (self.region_sides == "R").astype(int)

    @property
    def pairs(self) -> tuple[tuple[str, int, int], ...]:
        """Every network with the index of its left and of its right region."""
        index = {name: number for number, name in enumerate(self.region_names)}
        networks = dict.fromkeys(name[:-2] for name in self.region_names)
        return tuple((network, index[f"{network}_L"], index[f"{network}_R"]) for network in networks)

    @property
    def rests_on_charts(self) -> bool:
        """Whether the norms come from lifespan charts, and not from the table of people alone."""
        return "charts" in self.about["training_data"]

    @property
    def tested_ages_years(self) -> tuple[float, float]:
        """Youngest and oldest healthy person the errors were measured on."""
        table = self.folds[-1].errors["none"]
        return table.youngest_years, table.oldest_years

    def predict(
        self,
        features: Features,
        age_years: float,
        sex: str,
        calibration: Calibration | Path | str | None = None,
    ) -> Ages:
        """Ages of one person.

        Parameters
        ----------
        features : of the brain; their route chooses the route model.
        sex : "F" or "M".
        calibration : of the scanner, from local controls; or the file `calibrate` wrote.

        Raises
        ------
        InputError : the calibration belongs to another model or route.
        """
        if isinstance(calibration, Path | str):
            calibration = read_calibration(calibration)
        return self.predict_people(people_of_features([features], ["case"], [age_years], [sex]), calibration).person(0)

    def predict_people(self, people: People, calibration: Calibration | None = None) -> Ages:
        """Ages of many people; people of training sites get those of the network that did not see their site.

        Volumes measured by a route that has no route model are looked at only with a calibration by that route.
        """
        self.check_calibration(calibration, people.route)
        fold_of = self.fold_of_sites(people.site)
        looked_at = np.ones(len(NODE_NAMES), dtype=bool)
        if people.route != FREESURFER and calibration is None and self.route_of(people.route) is None:
            # What this route calls a hippocampus may be larger or smaller than FreeSurfer's: nobody has told.
            looked_at = PARCEL_NODES
        seen = ~changed_by_lesion(people) & looked_at
        raw = self._raw(people, fold_of, calibration, seen)
        dry = self._raw(people, fold_of, calibration, seen & ~FLUID_NODES)
        return self.judged(people, raw, "none" if calibration is None else "local", dry)

    def judged(self, people: People, raw: RawAges, state: str, dry: RawAges | None = None) -> Ages:
        """Ages with intervals from raw ages.

        Parameters
        ----------
        state : "none", or "local" for raw ages read with a calibration.
        dry : the raw ages read without fluid; NaN where not given.
        """
        count, view, fold_of = len(self.region_names), global_view(people), self.fold_of_sites(people.site)
        lines = self.lines
        values = lines.values(raw, people.age_years)
        # Regions, their deviations from the global age of this view, and that age.
        wanted = [np.concatenate([lines.pads, lines.deviations(one), [lines.whole(one)]]) for one in range(len(VIEWS))]
        judged = [np.full((len(people), 2 * count + 1), np.nan) for _ in range(4)]
        widening = self._widening(raw, view, self.contrast_reach(people.route, state))
        for index, one in {*zip(fold_of.tolist(), view.tolist(), strict=True)}:
            rows = np.nonzero((fold_of == index) & (view == one))[0]
            table = self.folds[index].errors[state].of_lines(wanted[one])
            found = table.judge(values[rows][:, wanted[one]], people.age_years[rows], widening[rows])
            for all_rows, own in zip(judged, found, strict=True):
                all_rows[rows] = own
        corrected, lowest, highest, percentile = judged
        bounds = (corrected, corrected - highest, corrected - lowest, percentile)
        if dry is None:
            dry = RawAges.unread(len(people), count)
        return self._answer(people, raw, dry, view, bounds, state)

    @property
    def lines(self) -> Lines:
        """The quantities that are judged by healthy people."""
        return Lines(len(self.region_names), self.pairs)

    def raw_ages(
        self,
        people: People,
        fold: int,
        *,
        visible: np.ndarray | None = None,
        offset: np.ndarray | None = None,
        controls: int = 0,
        reader: Reader | None = None,
    ) -> RawAges:
        """Ages by one fold, before anything is said of errors.

        Parameters
        ----------
        visible : (N, K) nodes to look at; by default all but what a lesion has changed (`views.changed_by_lesion`).
        offset : (K,) of the scanner, standardised by this fold's norms. controls : number it rests on.
        reader : to read with instead of the fold's own (baselines).
        """
        norms = self.folds[fold].norms
        route = self.route_of(people.route)
        standardised = norms.standardise(people.values)
        if route is not None:
            standardised = route.as_freesurfer(standardised)
        if offset is not None:
            standardised = standardised - offset
        if visible is None:
            visible = ~changed_by_lesion(people)
        error = None if route is None else route.error_covariance
        return (reader or self.reader(fold)).read(standardised, visible, people.male, controls, error)

    def reader(self, fold: int) -> Reader:
        """How one fold reads brains."""
        if fold not in self._readers:
            self._readers[fold] = self.reader_with(fold, GraphField(self.folds[fold].network))
        return self._readers[fold]

    def reader_with(self, fold: int, field_: Field) -> Reader:
        """How one fold would read brains with another field under the same norms."""
        return make_reader(field_, self.folds[fold].norms, self.membership, self.region_sides)

    def without_messages(self) -> BrainAgeModel:
        """The same model, every message switched off: nodes have nothing in common but how regions may deviate."""
        readers = {
            index: self.reader_with(index, NaiveBayes(GraphField(fold.network)))
            for index, fold in enumerate(self.folds)
        }
        return replace(self, _readers=readers)

    def offset_of(self, controls: People, fold: int) -> np.ndarray:
        """(K,) offset of the controls' scanner, standardised by a fold's norms."""
        return offset_of(self.folds[fold].norms, self.route_of(controls.route), controls)

    def route_of(self, name: str) -> RouteModel | None:
        """The model of a route; None for FreeSurfer, and for a route nothing is known of."""
        return self.routes.get(name)

    def fold_of_sites(self, site: np.ndarray) -> np.ndarray:
        """(N,) index of the fold that predicts people of these sites."""
        of_site = {name: index for index, fold in enumerate(self.folds) for name in fold.held_out_sites}
        return np.array([of_site.get(name, len(self.folds) - 1) for name in site], dtype=int)

    @property
    def known_scanner_share(self) -> float:
        """Share of the variance of deviations by an unknown scanner that is left when the scanner is known."""
        errors = self.folds[-1].errors
        deviations = np.concatenate([self.lines.deviations(view) for view in range(len(VIEWS))])
        return share_of_variance(errors["local"].of_lines(deviations), errors["none"].of_lines(deviations))

    def contrast_reach(self, route: str, state: str) -> float:
        """Factor on the healthy range of contrasts within a brain, which the error tables hold of FreeSurfer's people.

        Parameters
        ----------
        state : "none", or "local" with a calibration.
        """
        model = self.route_of(route)
        if model is None:
            return 1.0
        if state == "local":
            return model.contrast_spread
        known = self.known_scanner_share
        return float(np.sqrt(model.contrast_spread**2 * known + 1.0 - known))

    def check_calibration(self, calibration: Calibration | None, route: str | None = None) -> None:
        """Raises InputError when a calibration belongs to another model, or to another route than this one."""
        if calibration is None:
            return
        if len(calibration.offset) != len(NODE_NAMES) or calibration.norms_sha256 != self.norms_sha256:
            raise InputError(
                f"The calibration was made for the model '{calibration.model}' of another training.",
                "Calibrate this model anew.",
            )
        if route is not None and calibration.route != route:
            raise InputError(
                f"The calibration rests on controls measured by {calibration.route}, the patient was measured "
                f"by {route}.",
                "Calibrate with controls measured as the patients are.",
            )

    def check_scheme(self, scheme: RegionScheme) -> None:
        """Raises InputError when the model was trained for other regions."""
        names = tuple(region.name for region in scheme.regions)
        if names != self.region_names:
            raise InputError(
                f"The model '{self.name}' was trained for the scheme '{self.scheme}', not for '{scheme.name}'.",
                "Use that scheme, or train a model for this one.",
            )

    def _raw(
        self, people: People, fold_of: np.ndarray, calibration: Calibration | None, visible: np.ndarray
    ) -> RawAges:
        """Raw ages of all, each by its fold."""
        whole = RawAges.unread(len(people), len(self.region_names))
        for index in np.unique(fold_of):
            rows = np.nonzero(fold_of == index)[0]
            offset, controls = None, 0
            if calibration is not None:
                norms, reference = self.folds[index].norms, self.folds[-1].norms
                latent = calibration.offset * reference.scale + reference.centre - norms.centre
                offset, controls = np.nan_to_num(latent / norms.scale), calibration.controls
            seen = visible[rows]
            whole.put(rows, self.raw_ages(people.take(rows), index, visible=seen, offset=offset, controls=controls))
        return whole

    def _widening(self, raw: RawAges, view: np.ndarray, contrast_reach: float) -> np.ndarray:
        """(N, 2R + 1) growth of the intervals of regions, deviations and global age by what is missing or noisy."""
        own = raw.widening[:, self._view_of_regions]
        whole = np.take_along_axis(raw.widening, view[:, None], axis=1)
        return np.column_stack([own, contrast_reach * np.maximum(own, whole), whole])

    def _answer(
        self,
        people: People,
        raw: RawAges,
        dry: RawAges,
        view: np.ndarray,
        judged: tuple[np.ndarray, ...],
        state: str,
    ) -> Ages:
        missing = np.isnan(people.thickness_mm)
        lost = missing @ self.membership.T
        regional = np.where(lost <= DAMAGE_LIMIT_FRACTION, raw.regional_years, np.nan)
        estimable = np.isfinite(regional)
        reason = np.full(estimable.shape, "", dtype=object)
        for row, column in np.argwhere(~estimable):
            reason[row, column] = f"{100 * lost[row, column]:.0f} % of the region's cortex could not be measured"
        whole = np.take_along_axis(raw.whole_years, view[:, None], axis=1)[:, 0]
        half = missing.shape[1] // 2
        sides_lost = np.stack([missing[:, :half].mean(axis=1), missing[:, half:].mean(axis=1), missing.mean(axis=1)], 1)
        whole_lost = np.take_along_axis(sides_lost, view[:, None], axis=1)[:, 0]
        whole = np.where(whole_lost <= DAMAGE_LIMIT_FRACTION, whole, np.nan)
        regions = len(self.region_names)
        corrected, lower, upper, percentile = (np.where(estimable, v[:, :regions], np.nan) for v in judged)
        deviating = [np.where(estimable & np.isfinite(whole)[:, None], v[:, regions:-1], np.nan) for v in judged]
        known = np.isfinite(whole)
        whole_judged = [np.where(known, v[:, -1], np.nan) for v in judged]
        global_age = GlobalAge(
            brain_age_years=whole,
            pad_years=whole - people.age_years,
            pad_corrected_years=whole_judged[0],
            pad_lower_years=whole_judged[1],
            pad_upper_years=whole_judged[2],
            pad_percentile=whole_judged[3],
            estimable=known,
            reason=np.where(known, "", [f"{100 * x:.0f} % of the cortex could not be measured" for x in whole_lost]),
            brain_age_without_fluid_years=np.where(
                known, np.take_along_axis(dry.whole_years, view[:, None], axis=1)[:, 0], np.nan
            ),
            read_from=np.array(READ_FROM)[view],
        )
        return Ages(
            region_names=self.region_names,
            brain_age_years=regional,
            pad_years=regional - people.age_years[:, None],
            pad_corrected_years=corrected,
            pad_lower_years=lower,
            pad_upper_years=upper,
            pad_percentile=percentile,
            estimable=estimable,
            reason=reason,
            brain_age_without_fluid_years=np.where(estimable, dry.regional_years, np.nan),
            deviation_years=regional - whole[:, None],
            deviation_corrected_years=deviating[0],
            deviation_lower_years=deviating[1],
            deviation_upper_years=deviating[2],
            deviation_percentile=deviating[3],
            global_age=global_age,
            widening=raw.widening[:, self._view_of_regions],
            misfit=np.take_along_axis(raw.misfit, view[:, None], axis=1)[:, 0],
            fluid_left_out=np.any(fluid_touched(people), axis=1),
            calibrated=state,
            route=people.route,
        )


def with_errors(model: BrainAgeModel, errors: list[dict[str, ErrorTable]]) -> BrainAgeModel:
    """The model with error tables, one dict by calibration state per fold."""
    folds = tuple(replace(fold, errors=own) for fold, own in zip(model.folds, errors, strict=True))
    return replace(model, folds=folds)
