"""What repeating a scan changes by itself, and how large a change must be before it can be told from that.

Shipped are measured differences in parcel thickness between two scans of the same heads (``rescan_differences.json``,
made by ``Testing/benchmarks/batch_rescans.py``; its text says how). They are added to a patient's own thicknesses and
sent through the patient's model beside the patient's own volumes of structures, so the limits belong to this model and
this pattern of missing parcels. Differences of volumes were not measured: limits leave them out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from ...anatomy.parcels import PARCEL_NAMES
from ...errors import RegionalBrainAgeError

CONFIDENCE = 0.95
_FILE = Path(__file__).with_name("rescan_differences.json")


@dataclass(frozen=True)
class Rescans:
    """Differences between two scans of the same heads.

    Parameters
    ----------
    source : how they were measured, for the reader.
    difference_mm : shape (pairs, 148), NaN where a parcel was missing. Without pairs there are no limits.
    """

    source: str
    difference_mm: np.ndarray


def load_rescans(path: Path = _FILE) -> Rescans:
    """The differences that come with the library.

    Raises
    ------
    RegionalBrainAgeError : the file is missing or of other parcels.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegionalBrainAgeError(f"{path} cannot be read ({error}).", "Reinstall this software.") from error
    if tuple(content["parcels"]) != PARCEL_NAMES:
        raise RegionalBrainAgeError(f"{path} is of other parcels.", "Reinstall this software.")
    return Rescans(content["source"], np.array(content["difference_mm"], dtype=float).reshape(-1, len(PARCEL_NAMES)))


def smallest_detectable_change(
    pads_of: Callable[[np.ndarray], np.ndarray], thickness_mm: np.ndarray, rescans: Rescans
) -> np.ndarray:
    """Smallest change of each region's corrected PAD (years) that repeating the scan alone does not explain.

    Each rescan difference d is added to and taken from the patient's thickness: the changes of PAD have the variance
    s^2 of a difference between two scans, so the limit is t s with t the quantile of Student's distribution for as
    many degrees of freedom as there are pairs (few pairs: a wider limit; with many it is the usual 1.96 sqrt(2) SEM of
    Weir 2005). A change inside the limits is not evidence of no change.

    Parameters
    ----------
    pads_of : corrected PADs, shape (people, regions), of thicknesses, shape (people, 148).
    thickness_mm : of the patient, NaN where missing.

    Returns
    -------
    ndarray, shape (regions,), NaN where a region is not estimable, and everywhere without rescans.
    """
    if len(rescans.difference_mm) == 0:
        return np.full(pads_of(thickness_mm[None]).shape[1], np.nan)
    steps = np.nan_to_num(rescans.difference_mm)
    people = np.vstack([thickness_mm, thickness_mm + steps, thickness_mm - steps])
    pads = pads_of(people)
    spread = np.sqrt(np.mean((pads[1:] - pads[0]) ** 2, axis=0))
    return stats.t.ppf(0.5 + CONFIDENCE / 2, len(steps)) * spread
