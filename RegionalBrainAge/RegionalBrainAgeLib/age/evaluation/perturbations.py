"""What is done to healthy people to see how a model behaves: fewer controls, thinned regions, holes, rescans."""

from __future__ import annotations

import numpy as np

from ..model.brain_age_model import DAMAGE_LIMIT_FRACTION, BrainAgeModel
from ..model.graph import Holes
from ..norms.closed_form import thinned
from ..people import People
from ..training.train_model import calibrated_out_of_fold_ages, out_of_fold_ages, with_holes
from .metrics import balanced_mae_years

CONTROL_COUNTS = (0, 5, 10, 20, 50)
# Standard deviation of a parcel's thickness between two scans of one person, mm.
RESCAN_NOISE_MM = (0.03, 0.06, 0.10)
_CURVE_REPEATS = 3


def calibration_curve(model: BrainAgeModel, people: People, seed: int = 0) -> list[dict]:
    """Error against number of controls, on the people of sites that have enough for the largest number.

    Returns
    -------
    One row per number of controls: controls, people, sites, mae_40_90_years, mae_years, bias_years (mean error).
    """
    rows = []
    _, largest = calibrated_out_of_fold_ages(model, people, max(CONTROL_COUNTS), np.random.default_rng(seed))
    judged = np.isfinite(largest[:, 0])
    for controls in CONTROL_COUNTS:
        errors = []
        for repeat in range(_CURVE_REPEATS if controls else 1):
            if controls:
                rng = np.random.default_rng(1000 * seed + repeat)
                _, ages = calibrated_out_of_fold_ages(model, people, controls, rng)
            else:
                ages = out_of_fold_ages(model, people)
            errors.append((ages - people.age_years[:, None])[judged])
        age_years = people.age_years[judged]
        rows.append(
            {
                "controls": controls,
                "people": int(judged.sum()),
                "sites": len(np.unique(people.site[judged])),
                "mae_40_90_years": float(np.mean([balanced_mae_years(error, age_years) for error in errors])),
                "mae_years": float(np.mean([np.abs(error).mean() for error in errors])),
                "bias_years": float(np.mean([error.mean() for error in errors])),
            }
        )
    return rows


def planted_atrophy(model: BrainAgeModel, people: People, amount_sd: float = 0.5) -> dict[str, np.ndarray | float]:
    """Share of people in whom a thinned region's PAD rises most of all regions.

    All parcels of a region (or of a network on both sides) become thinner by `amount_sd` of their residual SD.

    Returns
    -------
    "region" : (R,) one region thinned; "network" : (networks,) both sides thinned, and one of the two rises most;
    "rise_years", "same_side_years" : median rise of the thinned region, and of the others of its hemisphere.
    """
    before = out_of_fold_ages(model, people)
    region_share, network_share, own_rise, other_rise = [], [], [], []
    side = np.array([name.rsplit("_", 1)[-1] for name in model.region_names])
    networks = [name.rsplit("_", 1)[0] for name in model.region_names]
    for region in range(len(networks)):
        rise = out_of_fold_ages(model, _thin(model, people, [region], amount_sd)) - before
        region_share.append(np.mean(rise.argmax(axis=1) == region))
        own_rise.append(rise[:, region])
        others = (side == side[region]) & (np.arange(len(side)) != region)
        other_rise.append(rise[:, others].ravel())
    for network in dict.fromkeys(networks):
        pair = [index for index, name in enumerate(networks) if name == network]
        rise = out_of_fold_ages(model, _thin(model, people, pair, amount_sd)) - before
        network_share.append(np.mean(np.isin(rise.argmax(axis=1), pair)))
    return {
        "region": np.array(region_share),
        "network": np.array(network_share),
        "rise_years": float(np.median(np.concatenate(own_rise))),
        "same_side_years": float(np.median(np.concatenate(other_rise))),
    }


def _thin(model: BrainAgeModel, people: People, regions: list[int], amount_sd: float) -> People:
    norms = model.folds[-1].norms
    channels = people.values.shape[1]
    nodes = np.zeros((channels, people.values.shape[2]), dtype=bool)
    nodes[0] = (model.membership[regions] > 0).any(axis=0)
    flat = people.values.reshape(len(people), -1)
    values = norms.measurement(thinned(norms.standardise(flat), norms, nodes.ravel(), amount_sd))
    return people.with_thickness(values.reshape(people.values.shape)[:, 0])


def lesion_holes(model: BrainAgeModel, people: People, holes: Holes, seed: int = 0) -> dict[str, float]:
    """Change of raw ages of healthy people by holes of real, one-sided lesions.

    Returns
    -------
    contralesional_median_years : untouched regions of the other side. ipsilesional_median_years : regions of the
    lesion's
    side that lost no parcel. touched_median_years : regions that lost some but not too much. not_estimable_share : of
    regions beyond the damage limit. people : number of people with a hole.
    """
    half = holes.missing.shape[1] // 2
    left, right = holes.missing[:, :half].any(axis=1), holes.missing[:, half:].any(axis=1)
    usable = np.nonzero(left ^ right)[0]
    chosen = np.random.default_rng(seed).choice(usable, size=len(people))
    damaged = with_holes(people, holes, chosen)
    change = np.abs(out_of_fold_ages(model, damaged) - out_of_fold_ages(model, people))
    lost = holes.missing[chosen] @ model.membership.T
    side = np.array([name.endswith("_L") for name in model.region_names])
    same = np.where(left[chosen][:, None], side, ~side)
    return {
        "contralesional_median_years": float(np.median(change[~same])),
        "ipsilesional_median_years": float(np.median(change[same & (lost == 0)])),
        "touched_median_years": float(np.median(change[same & (lost > 0) & (lost <= DAMAGE_LIMIT_FRACTION)])),
        "not_estimable_share": float(np.mean(lost[same] > DAMAGE_LIMIT_FRACTION)),
        "people": len(people),
    }


def rescan_stability(model: BrainAgeModel, people: People, seed: int = 0) -> dict[float, float]:
    """Median absolute change of a regional age, in years, by independent noise on every parcel, per noise SD in mm."""
    before = out_of_fold_ages(model, people)
    rng = np.random.default_rng(seed)
    result = {}
    for noise_mm in RESCAN_NOISE_MM:
        noisy = people.with_thickness(people.thickness_mm + noise_mm * rng.standard_normal(people.thickness_mm.shape))
        result[noise_mm] = float(np.median(np.abs(out_of_fold_ages(model, noisy) - before)))
    return result
