"""The tables a case leaves: column names, what each column means, and safe reading and writing.

Four tables (`write_case` writes the first three, and names their files):

* regions: one row per region, `REGION_COLUMNS`;
* parcels: one row per cortical parcel, `PARCEL_COLUMNS`;
* structures: one row per structure beside the cortex, `STRUCTURE_COLUMNS`;
* processed_cases.csv: one row per case, `processed_columns(networks)`; the networks are read back from the header with
  `networks_of`, so any region scheme fits.

No numerical library is used here: the cohort library imports this module and nothing else of a case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.lock import exclusive
from ...files.tables import Meanings, cell, read_table, table_text

PROCESSED_NAME = "processed_cases.csv"
# Between person and session in a case_id.
SESSION_MARK = "_ses-"
# No brain is larger: a larger number is in cubic millimetres.
LARGEST_LESION_ML = 2000.0
LESION_SIDES = ("L", "R", "bilateral", "none")

REGION_COLUMNS = {
    "region": ("Region of the scheme: network and hemisphere.", None),
    "network": ("Functional network.", None),
    "hemisphere": ("L or R; left is the patient's left.", None),
    "side": ("ipsilesional or contralesional for a one-sided lesion; left or right otherwise.", None),
    "brain_age_years": (
        "Age estimated by the model: that of the region's hemisphere and how far the region departs from it; raw.",
        "years",
    ),
    "pad_years": ("Predicted age difference, raw: brain age minus chronological age.", "years"),
    "pad_corrected_years": ("Predicted age difference after linear age-bias correction; use this one.", "years"),
    "pad_lower_years": ("Lower end of the 90 % prediction interval of the corrected difference.", "years"),
    "pad_upper_years": ("Upper end of the 90 % prediction interval of the corrected difference.", "years"),
    "pad_percentile": ("Percentile of the corrected difference among healthy people of the model.", "percent"),
    "estimable": (
        "false where no age may be read, as with too much of the region lesioned; all ages are then n/a.",
        None,
    ),
    "reason": ("Why a region is not estimable.", None),
    "load_fraction": ("Fraction of the region's volume covered by the lesion, 0..1.", "fraction"),
    "lesion_volume_ml": ("Volume of the lesion inside the region.", "ml"),
    "region_volume_ml": ("Volume of the region in this head.", "ml"),
    "thickness_mm": ("Mean cortical thickness of the region's measured parcels, weighted by overlap.", "mm"),
    "parcels": ("Number of parcels the region is made of (overlap of at least 15 %).", "count"),
    "parcels_lesioned_fraction": ("Lesioned fraction of the region's parcels, weighted by overlap, 0..1.", "fraction"),
    "deviation_years": (
        "The region's age less the global age (with a lesion on one side, of the other hemisphere), raw.",
        "years",
    ),
    "deviation_corrected_years": (
        "The same less what is usual in health at this age; a scanner's shift cancels.",
        "years",
    ),
    "deviation_lower_years": ("Lower end of the 90 % interval of the corrected deviation.", "years"),
    "deviation_upper_years": ("Upper end of the 90 % interval of the corrected deviation.", "years"),
    "deviation_percentile": ("Percentile of the corrected deviation among healthy people of the model.", "percent"),
}

PARCEL_COLUMNS = {
    "parcel": ("Destrieux parcel, lh_ or rh_ and the FreeSurfer name.", None),
    "hemisphere": ("L or R; left is the patient's left.", None),
    "thickness_mm": ("Mean cortical thickness outside the lesion; n/a where too little was left to measure.", "mm"),
    "lesioned_fraction": ("Fraction of the parcel covered by the lesion, 0..1.", "fraction"),
    "voxels": ("Number of voxels (or vertices, from FreeSurfer) that were measured.", "count"),
}

STRUCTURE_COLUMNS = {
    "structure": (
        "Structure by the name FreeSurfer's aseg gives it; Gray-Matter is all of a side, together FreeSurfer's "
        "TotalGrayVol; last the intracranial volume.",
        None,
    ),
    "hemisphere": ("L, R, or M for the midline and the whole.", None),
    "volume_mm3": ("Volume; n/a where too much is lesioned, or the route does not measure it.", "mm^3"),
    "lesioned_fraction": ("Fraction of the structure covered by the lesion, 0..1.", "fraction"),
}

_BEFORE_NETWORKS = {
    "case_id": ("Identifier of the case, unique in the table.", None),
    "site": ("Scanner or hospital, as given.", None),
    "age": ("Age at the scan.", "years"),
    "sex": ("F or M.", None),
    "lesion_side": ("L, R, bilateral or none.", None),
    "days_post_stroke": ("Days from stroke to scan.", "days"),
    "lesion_volume_ml": ("Lesion volume.", "ml"),
}
_AFTER_LOADS = {
    "load_cst": ("Fraction of the ipsilesional corticospinal tract's volume covered by the lesion, 0..1.", "fraction"),
    "load_cst_weighted": ("The same weighted by the tract's cross-section (Zhu 2010), 0..1.", "fraction"),
}
_AFTER_NETWORKS = {
    "pad_global": (
        "Corrected predicted age difference of the whole brain, or of the half without lesion.",
        "years",
    ),
    "motor": ("Motor outcome, 0 (none) to 1 (full).", "fraction"),
    "calibrated": ("true where a calibration from local controls was used.", None),
    "qc": ("pass, review or fail.", None),
    "model": ("Name of the brain-age model.", None),
    "version": ("Version of this software.", None),
    "simulated": ("What is not real of the case (lesion, age, all); empty for a real one.", None),
}
_PER_NETWORK = {
    "pad_ipsi": ("Corrected predicted age difference of the ipsilesional {net}; empty without one side.", "years"),
    "pad_contra": ("Corrected predicted age difference of the contralesional {net}; empty without one side.", "years"),
    "load_ipsi": ("Lesion load of the ipsilesional {net}, 0..1.", "fraction"),
    "load_contra": ("Lesion load of the contralesional {net}, 0..1.", "fraction"),
    "pad_left": ("Corrected predicted age difference of the left {net}.", "years"),
    "pad_right": ("Corrected predicted age difference of the right {net}.", "years"),
    "thickness_ipsi": ("Mean cortical thickness of the ipsilesional {net} outside the lesion.", "mm"),
    "thickness_contra": ("Mean cortical thickness of the contralesional {net}.", "mm"),
}

_NETWORK_COLUMN = re.compile(r"pad_(?:ipsi|left)_(.+)")


def processed_columns(networks: Sequence[str]) -> list[str]:
    """Header of processed_cases.csv for networks given by their lower-case codes, for example ``["smn", "fpn"]``."""

    def each(*kinds: str) -> list[str]:
        return [f"{kind}_{net}" for kind in kinds for net in networks]

    columns = [*_BEFORE_NETWORKS, *each("pad_ipsi", "pad_contra", "load_ipsi", "load_contra"), *_AFTER_LOADS]
    return [*columns, *each("pad_left", "pad_right"), *_AFTER_NETWORKS, *each("thickness_ipsi", "thickness_contra")]


def networks_of(header: Iterable[str]) -> list[str]:
    """Network codes in a header of processed_cases.csv, in the order they appear."""
    found: dict[str, None] = {}
    for column in header:
        match = _NETWORK_COLUMN.fullmatch(column)
        if match:
            found.setdefault(match.group(1))
    return list(found)


_MEASURED_COLUMN = re.compile(r"(pad|load|thickness)_(ipsi|contra)_(.+)")


def measured_networks(header: Iterable[str]) -> list[str]:
    """Networks with a PAD, a lesion load or a thickness by side of the lesion, in the order they appear in a header."""
    matches = map(_MEASURED_COLUMN.fullmatch, header)
    return list(dict.fromkeys(match.group(3) for match in matches if match))


def describe_processed(networks: Sequence[str]) -> Meanings:
    """Meaning and unit of every column of processed_cases.csv."""
    known = {**_BEFORE_NETWORKS, **_AFTER_LOADS, **_AFTER_NETWORKS}
    meanings = {}
    for column in processed_columns(networks):
        if column in known:
            meanings[column] = known[column]
            continue
        kind, net = next((k, column.removeprefix(f"{k}_")) for k in _PER_NETWORK if column.startswith(f"{k}_"))
        text, unit = _PER_NETWORK[kind]
        meanings[column] = (text.format(net=net.upper()), unit)
    return meanings


def append_case(path: Path, row: Mapping[str, object]) -> None:
    """Put one case into processed_cases.csv; a row with the same case_id is replaced, columns a user added stay.

    Safe with several writers (a lock beside the file) and against crashes (the whole table is written to a temporary
    file that then takes the old one's place: a reader sees the old or the new table, never half of one).

    Raises
    ------
    InputError : the table in place was made with another region scheme, or is not a table of cases.
    RegionalBrainAgeError : the folder cannot be written to.
    """
    append_cases(path, [row])


def append_cases(path: Path, new_rows: Sequence[Mapping[str, object]]) -> None:
    """Put many cases into processed_cases.csv at once; see `append_case`."""
    path = Path(path)
    columns = list(new_rows[0])
    fresh = [{c: cell(row.get(c), "") for c in columns} for row in new_rows]
    with exclusive(path):
        rows = read_table(path) if path.exists() else []
        _same_columns(path, rows, columns)
        added = added_columns(rows[0], columns) if rows else []
        by_id = {old["case_id"].removeprefix("sub-"): old for old in rows}
        for new in fresh:
            case_id = new["case_id"].removeprefix("sub-")
            by_id[case_id] = {name: by_id.get(case_id, {}).get(name, "") for name in added} | new
        write_atomically(path, table_text(by_id.values(), [*columns, *added], csv_file=True))


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """Refuse early where `append_case` would refuse later: the table in place has other columns.

    Raises
    ------
    InputError : it has.
    """
    if path.exists():
        _same_columns(path, read_table(path), columns)


def fits_header(old: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether rows with the header `old` can stay in a table with `columns`.

    It is the same but for columns a user added, or as earlier builds wrote it.
    """
    added = added_columns(old, columns)
    ours = [column for column in old if column not in added]
    lacking = [column for column in columns if column not in ours]
    return [column for column in columns if column in ours] == ours and all(
        column in ("pad_global", "simulated") or column.startswith("thickness_") for column in lacking
    )


def added_columns(old: Iterable[str], columns: Sequence[str]) -> list[str]:
    """Columns of a table that a user added to `columns`; those of another region scheme are none."""
    ours = set(columns)
    return [c for c in old if c not in ours and not _MEASURED_COLUMN.fullmatch(c) and not _NETWORK_COLUMN.fullmatch(c)]


def _same_columns(path: Path, rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> None:
    if rows and not fits_header(list(rows[0]), columns):
        raise InputError(
            f"The table {path} has other columns than this case (another region scheme or version).",
            "Choose another output folder, or move the old table away.",
        )
