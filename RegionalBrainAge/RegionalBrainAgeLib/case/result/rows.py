"""The rows of a case's tables, from its ages and features."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np

from ...age.ages import Ages, ReadAges
from ...age.features import Features
from ...anatomy.regions import RegionScheme
from ...anatomy.structures import INTRACRANIAL, STRUCTURE_NAMES, STRUCTURE_SIDES
from ...structures.volumes import StructureVolumes
from .result import GlobalAgeResult, ParcelResult, RegionResult, StructureResult, side_word


def global_age_result(ages: Ages) -> GlobalAgeResult:
    """The global age of one person for the tables."""
    found = ages.global_age
    return GlobalAgeResult(
        **{name: float(value) for name, value in _numbers(GlobalAgeResult, found).items()},
        estimable=bool(found.estimable),
        reason=str(found.reason),
        read_from=str(found.read_from),
    )


def _numbers(row: type[GlobalAgeResult] | type[RegionResult], found: ReadAges) -> dict[str, np.ndarray]:
    """The ages, PADs, deviations and percentiles that a row holds, under its names."""
    names = [item.name for item in fields(row) if item.name.endswith(("_years", "_percentile"))]
    return {name: np.asarray(getattr(found, name)) for name in names}


def region_rows(
    scheme: RegionScheme,
    weights: np.ndarray,
    ages: Ages,
    thickness_mm: np.ndarray,
    lesioned_fraction: np.ndarray,
    lesion_side: str,
    loads: np.ndarray,
    volumes_ml: np.ndarray,
) -> tuple[RegionResult, ...]:
    """One row per region, from parcels to the table.

    Parameters
    ----------
    weights : (R, P) of the parcels in each region, from `membership`.
    thickness_mm, lesioned_fraction : (P,); NaN thickness is missing.
    loads, volumes_ml : (R,) lesion load (fraction) and volume of each region, NaN where not measured.
    """
    rows, numbers = [], _numbers(RegionResult, ages)
    for index, region in enumerate(scheme.regions):
        measured = weights[index] * np.isfinite(thickness_mm)
        total = measured.sum()
        mean_mm = measured @ np.nan_to_num(thickness_mm) / total if total > 0 else math.nan
        rows.append(
            RegionResult(
                region=region.name,
                network=region.network,
                hemisphere=region.hemisphere,
                side=side_word(region.hemisphere, lesion_side),
                **{name: float(values[index]) for name, values in numbers.items()},
                estimable=bool(ages.estimable[index]),
                reason=str(ages.reason[index]),
                load_fraction=float(loads[index]),
                lesion_volume_ml=float(loads[index] * volumes_ml[index]),
                region_volume_ml=float(volumes_ml[index]),
                thickness_mm=float(mean_mm),
                parcels=int(np.count_nonzero(weights[index])),
                parcels_lesioned_fraction=float(weights[index] @ lesioned_fraction),
            )
        )
    return tuple(rows)


def parcel_rows(features: Features) -> tuple[ParcelResult, ...]:
    """One row per parcel."""
    return tuple(
        ParcelResult(name, "L" if name.startswith("lh_") else "R", float(thickness), float(lesioned), int(voxels))
        for name, thickness, lesioned, voxels in zip(
            features.names, features.thickness_mm, features.lesioned_fraction, features.voxels, strict=True
        )
    )


def structure_rows(structures: StructureVolumes) -> tuple[StructureResult, ...]:
    """One row per structure, and one of the intracranial volume."""
    rows = [
        StructureResult(name, side, structures.volume_mm3[name], structures.lesioned_fraction[name])
        for name, side in zip(STRUCTURE_NAMES, STRUCTURE_SIDES, strict=True)
    ]
    return (*rows, StructureResult(INTRACRANIAL, "M", structures.intracranial_mm3, math.nan))
