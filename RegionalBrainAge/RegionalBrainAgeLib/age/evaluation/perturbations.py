"""Perturbs healthy people (thinned regions, lesion holes, widened ventricles, rescans) to test a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...anatomy.parcels import PARCEL_NAMES
from ..features import FLUID_NODES, NODE_SIDES
from ..holes import Holes
from ..model.brain_age_model import DAMAGE_LIMIT_FRACTION, BrainAgeModel
from ..model.reader import Reader
from ..model.views import global_view
from ..people import People
from ..training.train_model import out_of_fold_ages

THINNING_SD = 0.5
# Standard deviation of a parcel's thickness between two scans of one person, mm.
RESCAN_NOISE_MM = (0.03, 0.06, 0.10)
EX_VACUO_GROWTH = 1.5
_PARCELS = len(PARCEL_NAMES)
_LESION_ML = 20.0


def thinned(people: People, model: BrainAgeModel, regions: Sequence[int], amount_sd: float = THINNING_SD) -> People:
    """The people with every parcel of these regions thinner by a share of its residual SD."""
    norms = model.folds[-1].norms
    nodes = np.zeros(people.values.shape[1], dtype=bool)
    nodes[:_PARCELS] = (model.membership[list(regions)] > 0).any(axis=0)
    standardised = norms.standardise(people.values) - amount_sd * np.sqrt(np.diag(norms.residual_covariance)) * nodes
    return people.with_values(np.where(nodes, norms.measurement(standardised), people.values))


def planted_atrophy(
    model: BrainAgeModel, people: People, readers: Sequence[Reader] | None = None
) -> dict[str, np.ndarray | float]:
    """Share of people in whom a thinned region's age rises most of all regions.

    All parcels of a region (or of a network on both sides) become thinner by half their residual SD.

    Returns
    -------
    "region" : (R,) one region thinned; "network" : (networks,) both sides thinned, and one of the two rises most;
    "rise_years", "same_side_years" : median rise of the thinned region, and of the others of its hemisphere;
    "deviation_years" : median rise of the region's deviation from the age of its hemisphere.
    """
    before = out_of_fold_ages(model, people, readers=readers)
    region_share, network_share, own_rise, other_rise, deviation = [], [], [], [], []
    for region in range(len(model.region_names)):
        after = out_of_fold_ages(model, thinned(people, model, [region]), readers=readers)
        rise = after.regional_years - before.regional_years
        region_share.append(np.mean(rise.argmax(axis=1) == region))
        own_rise.append(rise[:, region])
        others = (model.region_sides == model.region_sides[region]) & (np.arange(rise.shape[1]) != region)
        other_rise.append(rise[:, others].ravel())
        view = int(model.region_sides[region] == "R")
        deviation.append(rise[:, region] - (after.whole_years - before.whole_years)[:, view])
    for _, left, right in model.pairs:
        after = out_of_fold_ages(model, thinned(people, model, [left, right]), readers=readers)
        rise = after.regional_years - before.regional_years
        network_share.append(np.mean(np.isin(rise.argmax(axis=1), [left, right])))
    return {
        "region": np.array(region_share),
        "network": np.array(network_share),
        "rise_years": float(np.median(np.concatenate(own_rise))),
        "same_side_years": float(np.median(np.concatenate(other_rise))),
        "deviation_years": float(np.median(np.concatenate(deviation))),
    }


def with_holes(people: People, holes: Holes, rows: np.ndarray) -> People:
    """The people with the damage of these holes (one index per person); volumes are as they were."""
    values, lesioned = people.values.copy(), people.lesioned_fraction.copy()
    values[:, :_PARCELS][holes.missing[rows]] = np.nan
    lesioned[:, :_PARCELS] = holes.lesioned_fraction[rows]
    return replace(people, values=values, lesioned_fraction=lesioned)


def one_sided(holes: Holes) -> tuple[np.ndarray, np.ndarray]:
    """Indices of holes that lie in one hemisphere, and whether that is the left one."""
    half = _PARCELS // 2
    damage = holes.missing | (holes.lesioned_fraction > 0)
    left, right = np.any(damage[:, :half], axis=1), np.any(damage[:, half:], axis=1)
    usable = np.flatnonzero((left ^ right) & holes.missing.any(axis=1))
    return usable, left[usable]


def lesion_holes(
    model: BrainAgeModel,
    people: People,
    holes: Holes,
    seed: int = 0,
    readers: Sequence[Reader] | None = None,
    fluid_seen: bool = False,
) -> dict[str, float]:
    """Change of raw ages of healthy people by holes of real, one-sided lesions.

    Parameters
    ----------
    fluid_seen : look at the ventricles of the lesioned side, which are as before here: then only parcels are missing.

    Returns
    -------
    Median absolute changes: contralesional_median_years : of the other side. ipsilesional_median_years : of regions of
    the lesion's side that lost no parcel; ipsilesional_mean_years : their mean change with its sign.
    touched_median_years : of regions that lost some but not too much. not_estimable_share : of regions beyond the
    damage limit. people : their number.
    """
    usable, usable_left = one_sided(holes)
    drawn = np.random.default_rng(seed).integers(0, len(usable), size=len(people))
    chosen, left = usable[drawn], usable_left[drawn]
    damaged = with_holes(people, holes, chosen)
    everything = np.ones(people.values.shape, dtype=bool) if fluid_seen else None
    before = out_of_fold_ages(model, people, readers=readers).regional_years
    change = out_of_fold_ages(model, damaged, visible=everything, readers=readers).regional_years - before
    lost = holes.missing[chosen] @ model.membership.T
    same = np.where(left[:, None], model.region_sides == "L", model.region_sides == "R")
    intact, touched = same & (lost == 0), same & (lost > 0) & (lost <= DAMAGE_LIMIT_FRACTION)
    return {
        "contralesional_median_years": float(np.median(np.abs(change[~same]))),
        "ipsilesional_median_years": float(np.median(np.abs(change[intact]))),
        "ipsilesional_mean_years": float(np.mean(change[intact])),
        "touched_median_years": float(np.median(np.abs(change[touched]))),
        "not_estimable_share": float(np.mean(lost[same] > DAMAGE_LIMIT_FRACTION)),
        "people": len(people),
    }


def widened_ventricles(model: BrainAgeModel, people: People, seed: int = 0) -> dict[str, float]:
    """What a lesion that widens the ventricles beside it does to the ages of healthy people.

    The lateral and inferior lateral ventricle and the plexus of one side become half as large again, and a lesion of
    20 ml lies in the white matter beside them.

    Returns
    -------
    Changes in years. contralesional_median_years, contralesional_largest_years, global_largest_years,
    ipsilesional_median_years : absolute. ipsilesional_mean_years : with its sign; ipsilesional_untold_mean_years : the
    same where the model is not told of the lesion.
    """
    left = np.random.default_rng(seed).random(len(people)) < 0.5
    nodes = FLUID_NODES & np.where(left[:, None], NODE_SIDES == "L", NODE_SIDES == "R")
    wide = people.with_values(np.where(nodes, EX_VACUO_GROWTH * people.values, people.values))
    told = replace(wide, lesion_volume_ml=_LESION_ML * np.column_stack([left, ~left]))
    before = out_of_fold_ages(model, people)
    after, untold = out_of_fold_ages(model, told), out_of_fold_ages(model, wide)
    same = np.where(left[:, None], model.region_sides == "L", model.region_sides == "R")
    change = np.abs(after.regional_years - before.regional_years)
    view = global_view(told)[:, None]
    # The global age of a patient is read from the other hemisphere: compare with the same reading before the lesion.
    whole = np.abs(np.take_along_axis(after.whole_years - before.whole_years, view, axis=1))
    return {
        "contralesional_median_years": float(np.median(change[~same])),
        "contralesional_largest_years": float(change[~same].max()),
        "global_largest_years": float(whole.max()),
        "ipsilesional_median_years": float(np.median(change[same])),
        "ipsilesional_mean_years": float(np.mean((after.regional_years - before.regional_years)[same])),
        "ipsilesional_untold_mean_years": float(np.mean((untold.regional_years - before.regional_years)[same])),
    }


def rescan_stability(model: BrainAgeModel, people: People, seed: int = 0) -> dict[float, float]:
    """Median absolute change of a regional age, in years, by independent noise on every parcel, per noise SD in mm."""
    before = out_of_fold_ages(model, people).regional_years
    rng = np.random.default_rng(seed)
    result = {}
    for noise_mm in RESCAN_NOISE_MM:
        noisy = people.with_thickness(people.thickness_mm + noise_mm * rng.standard_normal(people.thickness_mm.shape))
        result[noise_mm] = float(np.median(np.abs(out_of_fold_ages(model, noisy).regional_years - before)))
    return result
