"""What a case yields: rows of regions and parcels, the lesion in numbers, and where all of it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files.wording import listed
from ..case import Case

if TYPE_CHECKING:  # the command line's help loads nothing heavy
    from ...age.model.asymmetry import Asymmetry


@dataclass(frozen=True)
class RegionResult:
    """One row of the regions table; the fields are the columns of `tables.REGION_COLUMNS`. Absent numbers are NaN."""

    region: str
    network: str
    hemisphere: str
    side: str
    brain_age_years: float
    pad_years: float
    pad_corrected_years: float
    pad_lower_years: float
    pad_upper_years: float
    pad_percentile: float
    estimable: bool
    reason: str
    load_fraction: float
    lesion_volume_ml: float
    region_volume_ml: float
    thickness_mm: float
    parcels: int
    parcels_lesioned_fraction: float
    deviation_years: float = math.nan
    deviation_corrected_years: float = math.nan
    deviation_lower_years: float = math.nan
    deviation_upper_years: float = math.nan
    deviation_percentile: float = math.nan


@dataclass(frozen=True)
class GlobalAgeResult:
    """The age of the brain as a whole; absent numbers are NaN.

    Parameters
    ----------
    brain_age_without_fluid_years : read without ventricles.
    read_from : "both hemispheres", "left hemisphere" or "right hemisphere": a lesioned side is left out.
    """

    brain_age_years: float
    pad_years: float
    pad_corrected_years: float
    pad_lower_years: float
    pad_upper_years: float
    pad_percentile: float
    estimable: bool
    reason: str
    brain_age_without_fluid_years: float
    read_from: str


@dataclass(frozen=True)
class ParcelResult:
    """One row of the parcels table; the fields are the columns of `tables.PARCEL_COLUMNS`."""

    parcel: str
    hemisphere: str
    thickness_mm: float
    lesioned_fraction: float
    voxels: int


@dataclass(frozen=True)
class StructureResult:
    """One row of the structures table; the fields are the columns of `tables.STRUCTURE_COLUMNS`."""

    structure: str
    hemisphere: str
    volume_mm3: float
    lesioned_fraction: float


def hemisphere_volumes_ml(volume_ml: float, side: str) -> tuple[float, float]:
    """Lesion volume of the left and the right hemisphere; a lesion of both counts half in each.

    A lesion whose volume nobody told is not none: it counts as very small.
    """
    volume_ml = max(volume_ml, 0.001) if math.isfinite(volume_ml) else 0.001
    left, right = {"L": (1.0, 0.0), "R": (0.0, 1.0), "bilateral": (0.5, 0.5)}.get(side, (0.0, 0.0))
    return volume_ml * left, volume_ml * right


def side_word(hemisphere: str, lesion_side: str) -> str:
    """How a region's side is called: by the lesion where it has one side, else left or right."""
    if lesion_side in ("L", "R"):
        return "ipsilesional" if hemisphere == lesion_side else "contralesional"
    return "left" if hemisphere == "L" else "right"


@dataclass(frozen=True)
class LesionResult:
    """The lesion in numbers.

    Parameters
    ----------
    volume_ml : lesion volume.
    side : "L", "R", "bilateral" or "none".
    load_cst_left, load_cst_right : fraction of each corticospinal tract's volume that is lesioned, 0..1.
    load_cst_weighted_left, load_cst_weighted_right : the same weighted by cross-section (Zhu 2010).
    other_side_ml : part of a lesion of one side that lies across the midline; 0 for one on both sides.
    """

    volume_ml: float
    side: str
    load_cst_left: float
    load_cst_right: float
    load_cst_weighted_left: float
    load_cst_weighted_right: float
    other_side_ml: float = 0.0

    def load_cst(self, weighted: bool = False) -> float:
        """Load of the ipsilesional tract; 0 without a lesion, NaN for a bilateral one."""
        stem = "load_cst_weighted" if weighted else "load_cst"
        if self.side == "none":
            return 0.0
        if self.side == "bilateral":
            return math.nan
        return getattr(self, f"{stem}_{'left' if self.side == 'L' else 'right'}")


@dataclass(frozen=True)
class InHealth:
    """Shares of healthy people (0..1) with at least as large a part of their numbers outside as this patient.

    NaN where no number is read.

    Parameters
    ----------
    regions : of corrected PADs, or, without calibration, of deviations from the brain as a whole.
    networks : of differences between the sides.
    """

    regions: float = math.nan
    networks: float = math.nan


@dataclass(frozen=True)
class CaseResult:
    """Everything a case yields in numbers and words, with where it came from.

    Parameters
    ----------
    case : what was given.
    regions, parcels : rows of the two tables.
    lesion : volume, side and tract loads.
    scheme : name of the region scheme.
    qc : "pass", "review" (look before use) or "fail" (do not use), with the reasons in `warnings`.
    warnings : sentences for the user.
    calibration : "none" or "local" (from local controls).
    model : name, version and sha256 of the model, and whether its norms rest on charts.
    seconds : duration of each step, in order.
    provenance : versions of software, checksums of inputs, parameters, peak memory.
    asymmetries : left minus right of every network beside what healthy people show.
    global_age : of the brain as a whole; None where the model gives none.
    structures : rows of the structures table; none where volumes were not measured.
    image_grade : noise, contrast, resolution and motion ringing of the image, see `head.image_grade`; None without one.
    folder : where the files lie; None before writing.
    in_health : how many healthy people have as many numbers outside their healthy range.
    """

    case: Case
    regions: tuple[RegionResult, ...]
    parcels: tuple[ParcelResult, ...]
    lesion: LesionResult
    scheme: str
    qc: str
    warnings: tuple[str, ...]
    calibration: str
    model: Mapping[str, Any]
    seconds: Mapping[str, float]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    asymmetries: tuple[Asymmetry, ...] = ()
    global_age: GlobalAgeResult | None = None
    image_grade: Mapping[str, object] | None = None
    structures: tuple[StructureResult, ...] = ()
    folder: Path | None = None
    in_health: InHealth = InHealth()

    @property
    def one_sided(self) -> bool:
        """Whether the lesion lies in one hemisphere, so that there is an ipsi- and a contralesional side."""
        return self.lesion.side in ("L", "R")

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks of the scheme in its order."""
        return tuple(dict.fromkeys(row.network for row in self.regions))

    def region(self, network: str, hemisphere: str) -> RegionResult:
        """The row of a network's "L" or "R" region."""
        return next(row for row in self.regions if row.network == network and row.hemisphere == hemisphere)

    def contrast(self, network: str) -> Asymmetry | None:
        """Ipsi- minus contralesional (without one side: left minus right) of a network; None if it was not made."""
        for asymmetry in self.asymmetries:
            if asymmetry.network == network:
                return asymmetry.reversed() if self.lesion.side == "R" else asymmetry
        return None

    def as_dict(self) -> dict:
        """Plain values for JSON: absent numbers are None, paths are text."""
        return _plain(asdict(self))

    def processed_row(self, version: str) -> dict[str, Any]:
        """The case as one row of processed_cases.csv; see `tables.processed_columns`."""
        ipsi = self.lesion.side if self.one_sided else None
        contra = {"L": "R", "R": "L"}.get(ipsi or "")

        def of_regions(kind: str, hemisphere: str | None, column: str) -> dict[str, object]:
            return {
                f"{kind}_{network.lower()}": getattr(self.region(network, hemisphere), column) if hemisphere else None
                for network in self.networks
            }

        return {
            "case_id": self.case.case_id,
            "site": self.case.site,
            "age": self.case.known_age_years,
            "sex": self.case.sex,
            "lesion_side": self.lesion.side,
            "days_post_stroke": self.case.days_post_stroke,
            "lesion_volume_ml": self.lesion.volume_ml,
            **of_regions("pad_ipsi", ipsi, "pad_corrected_years"),
            **of_regions("pad_contra", contra, "pad_corrected_years"),
            **of_regions("load_ipsi", ipsi, "load_fraction"),
            **of_regions("load_contra", contra, "load_fraction"),
            "load_cst": self.lesion.load_cst(),
            "load_cst_weighted": self.lesion.load_cst(weighted=True),
            **of_regions("pad_left", "L", "pad_corrected_years"),
            **of_regions("pad_right", "R", "pad_corrected_years"),
            "pad_global": self.global_age.pad_corrected_years if self.global_age else None,
            "motor": self.case.motor,
            "calibrated": self.calibration == "local",
            "qc": self.qc,
            "model": self.model["name"],
            "version": version,
            "simulated": listed(self.case.simulated) if self.case.simulated else "",
            **of_regions("thickness_ipsi", ipsi, "thickness_mm"),
            **of_regions("thickness_contra", contra, "thickness_mm"),
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
