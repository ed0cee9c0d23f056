"""What goes into one case and what comes out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:  # the command line's help loads nothing heavy
    from ..age.asymmetry import Asymmetry

OLDEST_YEARS = 120.0
# Fields of a case that name files.
FILE_FIELDS = ("t1", "lesion", "freesurfer", "calibration", "tract_left", "tract_right")
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_SEX_WORDS = {"f": "F", "female": "F", "m": "M", "male": "M"}
_ABSENT = {"", "n/a", "na", "nan", "none"}
_IMAGE_ENDINGS = re.compile(r"(\.nii)?\.gz$|\.(nii|mgz|mgh|nrrd|nhdr|dcm)$", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One patient's scan, lesion and few facts, checked.

    Parameters
    ----------
    case_id : letters, digits, - and _; names the output folder ``sub-<id>``.
    t1 : T1-weighted head (NIfTI, MGZ, NRRD or DICOM folder); may be None when `freesurfer` is given.
    lesion : mask of the lesion on any grid in the same space; None when the head is healthy.
    freesurfer : FreeSurfer or FastSurfer subject folder whose thicknesses are used instead of the built-in route.
    age_years : age at the scan, above 0 and at most 120.
    sex : "F" or "M".
    site : scanner or hospital; cases of one site are calibrated together.
    days_post_stroke : days from stroke to scan.
    motor : motor outcome, 0 (none) to 1 (full), for example Fugl-Meyer upper extremity / 66.
    calibration : file made by ``calibrate`` from local controls.
    tract_left, tract_right : own corticospinal tracts in MNI space instead of the built-in ones; both or none.

    Raises
    ------
    InputError : a field is wrong; the message names it and says what to give instead.
    """

    case_id: str
    t1: Path | None
    age_years: float
    sex: str
    lesion: Path | None = None
    freesurfer: Path | None = None
    site: str = ""
    days_post_stroke: float | None = None
    motor: float | None = None
    calibration: Path | None = None
    tract_left: Path | None = None
    tract_right: Path | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.case_id):
            raise InputError(
                f"The case id {self.case_id!r} cannot name a folder.",
                "Use 1 to 64 letters, digits, - and _, beginning and ending with a letter or digit.",
            )
        if not (math.isfinite(self.age_years) and 0 < self.age_years <= OLDEST_YEARS):
            raise InputError(
                f"The age {self.age_years:g} is not possible.",
                f"Give the age at the scan in years, above 0 and at most {OLDEST_YEARS:.0f}.",
            )
        if self.sex not in ("F", "M"):
            raise InputError(f"The sex {self.sex!r} is not known to the model.", "Give F or M.")
        if self.days_post_stroke is not None and not (
            math.isfinite(self.days_post_stroke) and self.days_post_stroke >= 0
        ):
            raise InputError(
                f"The days since stroke ({self.days_post_stroke:g}) are not possible.",
                "Give the days from stroke to scan, 0 or more, or leave them out.",
            )
        if self.motor is not None and not (math.isfinite(self.motor) and 0 <= self.motor <= 1):
            raise InputError(
                f"The motor outcome {self.motor:g} is outside 0 to 1.",
                "Divide the score by its maximum (Fugl-Meyer upper extremity: by 66).",
            )
        if self.t1 is None and self.freesurfer is None:
            raise InputError("There is neither a T1 nor a FreeSurfer folder.", "Give --t1 FILE or --freesurfer DIR.")
        if (self.tract_left is None) != (self.tract_right is None):
            given, missing = ("left", "right") if self.tract_right is None else ("right", "left")
            raise InputError(
                f"There is an own {given} corticospinal tract, but no {missing} one.", "Give both sides, or neither."
            )

    @property
    def name(self) -> str:
        """``sub-<id>``: the name of the case's folder and the beginning of its files' names."""
        return f"sub-{self.case_id.removeprefix('sub-')}"


def case_from_text(fields: Mapping[str, str | None], folder: Path | None = None) -> Case:
    """A case from words as typed on a command line or read from a CSV row.

    Parameters
    ----------
    fields : by the names of `Case`, with ``id`` or ``case_id``, ``age`` or ``age_years``; absent values are None, empty
        or n/a. Without an id, the name of the T1 (or FreeSurfer folder) is used.
    folder : relative paths start here; the current folder if None.

    Raises
    ------
    InputError : a field is missing or wrong, or a file does not exist.
    """
    given = {k: v.strip() for k, v in fields.items() if v is not None and v.strip().lower() not in _ABSENT}
    paths = {key: _path(given.get(key), key, folder) for key in FILE_FIELDS}
    source = paths["t1"] or paths["freesurfer"]
    if "age" not in given and "age_years" not in given:
        raise InputError("The age is missing.", "Give the age at the scan in years, for example --age 63.")
    if "sex" not in given:
        raise InputError("The sex is missing.", "Give F or M.")
    return Case(
        case_id=given.get("case_id") or given.get("id") or (id_from_path(source) if source else "case"),
        age_years=_number(given.get("age", given.get("age_years")), "age", "the age in years, for example 63"),
        sex=_SEX_WORDS.get(given["sex"].lower(), given["sex"]),
        site=given.get("site", ""),
        days_post_stroke=_optional(given.get("days_post_stroke"), "days since stroke", "a number of days"),
        motor=_optional(given.get("motor"), "motor outcome", "a number from 0 to 1"),
        **paths,
    )


def id_from_path(path: Path) -> str:
    """A case id from a file name: ``sub-07_ses-1_T1w.nii.gz`` gives ``07_ses-1``."""
    stem = _IMAGE_ENDINGS.sub("", Path(path).resolve().name)
    stem = re.sub(r"_T1w$", "", stem, flags=re.IGNORECASE).removeprefix("sub-")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:64].strip("-_")
    return stem or "case"


def _path(text: str | None, name: str, folder: Path | None) -> Path | None:
    if text is None:
        return None
    path = Path(text).expanduser()
    path = (folder / path) if folder is not None else path
    if not path.exists():
        raise InputError(f"The {name} file {path} does not exist.", "Check the path.")
    return path


def _optional(text: str | None, name: str, wanted: str) -> float | None:
    return None if text is None else _number(text, name, wanted)


def _number(text: str, name: str, wanted: str) -> float:
    try:
        return float(text)
    except ValueError:
        hint = " Write decimals with a point." if re.fullmatch(r"-?\d+,\d+", text) else ""
        raise InputError(f"The {name} {text!r} is not a number.", f"Give {wanted}.{hint}") from None


@dataclass(frozen=True)
class RegionResult:
    """One row of the regions table; the fields are the columns of `table.REGION_COLUMNS`. Absent numbers are NaN."""

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


@dataclass(frozen=True)
class ParcelResult:
    """One row of the parcels table; the fields are the columns of `table.PARCEL_COLUMNS`."""

    parcel: str
    hemisphere: str
    thickness_mm: float
    lesioned_fraction: float
    voxels: int


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
    calibration : "none", "default offset" (the shipped one of the built-in T1 route) or "local" (from local controls).
    model : name, version and sha256 of the model.
    seconds : duration of each step, in order.
    provenance : versions of software, checksums of inputs, parameters, peak memory.
    asymmetries : left minus right of every network beside what healthy people show.
    folder : where the files lie; None before writing.
    """

    case: Case
    regions: tuple[RegionResult, ...]
    parcels: tuple[ParcelResult, ...]
    lesion: LesionResult
    scheme: str
    qc: str
    warnings: tuple[str, ...]
    calibration: str
    model: Mapping[str, str]
    seconds: Mapping[str, float]
    provenance: Mapping[str, object] = field(default_factory=dict)
    asymmetries: tuple[Asymmetry, ...] = ()
    folder: Path | None = None

    @property
    def one_sided(self) -> bool:
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

    def processed_row(self, version: str) -> dict[str, object]:
        """The case as one row of processed_cases.csv; see `table.processed_columns`."""
        ipsi = self.lesion.side if self.one_sided else None
        contra = {"L": "R", "R": "L"}.get(ipsi)

        def of_regions(kind: str, hemisphere: str | None, column: str) -> dict[str, object]:
            regions = {net: self.region(net, hemisphere) if hemisphere else None for net in self.networks}
            return {f"{kind}_{net.lower()}": getattr(region, column, None) for net, region in regions.items()}

        return {
            "case_id": self.case.case_id,
            "site": self.case.site,
            "age": self.case.age_years,
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
            "motor": self.case.motor,
            "calibrated": self.calibration == "local",
            "qc": self.qc,
            "model": self.model["name"],
            "version": version,
            **of_regions("thickness_ipsi", ipsi, "thickness_mm"),
            **of_regions("thickness_contra", contra, "thickness_mm"),
        }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
