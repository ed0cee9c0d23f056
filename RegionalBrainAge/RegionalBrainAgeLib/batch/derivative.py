"""Results as a BIDS derivative: cases laid out by subject and session, and gathered for the group.

A derivative folder of a BIDS-App holds

* ``sub-<label>/[ses-<label>/]anat/``: the files of each case, ``sub-<label>/[ses-<label>/]figures/`` its pictures;
* ``work/<selection>/``: a batch folder for each selection of participants, so that many jobs may work at once;
* ``group/``: all cases together, as one batch folder, with the quality page and the analysis.

The same file in several of these places is one file with several names (a hard link) where the disk allows it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..case.result.dataset_files import describe_dataset, describe_table
from ..case.result.tables import PROCESSED_NAME
from ..errors import InputError
from ..files.atomic_file import write_atomically
from ..files.tables import read_table, table_text
from .lists.case_list import split_session
from .run.case_records import Store

WORK_NAME, GROUP_NAME = "work", "group"
# What BIDS has no names for yet: tables of regions, maps of thickness and age, transforms, reports.
NOT_IN_BIDS = (
    *(WORK_NAME, GROUP_NAME),
    *("**/figures", "*.html", "*_case.json", "*_map.nii.gz", "*_map.json", "*_from-*", "*_xfm.json", "*_methods.*"),
    *("*_regions.*", "*_parcels.*", "*_structures.*", "*.csv", "processed_cases.json", "failed_cases.csv", "qc.tsv"),
    *("*.h5", "*.mat", "*.bib"),
)


def write_dataset_files(out_dir: Path, source: Path) -> None:
    """Description, README and ``.bidsignore`` of a BIDS-App's output folder."""
    out_dir.mkdir(parents=True, exist_ok=True)
    describe_dataset(out_dir, source)
    write_atomically(out_dir / ".bidsignore", "\n".join(NOT_IN_BIDS) + "\n")
    write_atomically(out_dir / "README.md", _README)


def lay_out_case(case_folder: Path, out_dir: Path, t1: Path | None, source: Path) -> Path:
    """Give the files of a finished case their BIDS places; what lay there before is replaced. Returns the folder.

    Parameters
    ----------
    case_folder : ``work/<selection>/sub-<id>``.
    t1, source : the head and its dataset, for the sidecars.
    """
    label, session = split_session(case_folder.name)
    place = out_dir / f"sub-{label}"
    place = place / f"ses-{session}" if session else place
    new = place.with_name(f".{place.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    for path in sorted(p for p in case_folder.rglob("*") if p.is_file()):
        inside = path.relative_to(case_folder)
        target = new / inside if inside.parts[0] == "figures" else new / "anat" / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json" and path.with_suffix(".nii.gz").exists() and t1 is not None:
            target.write_text(json.dumps(_with_sources(path, t1, source), indent=2) + "\n", encoding="utf-8")
        else:
            _link(path, target)
    for part in sorted(new.iterdir()):
        _replace(part, place / part.name)
    new.rmdir()
    return place


def gather_cases(out_dir: Path, wanted: Callable[[str], bool]) -> tuple[Path, int]:
    """Bring the cases of all selections together in ``group/``: table, case folders, thumbnails.

    A case that is in several selections is taken from the one that finished last.

    Parameters
    ----------
    wanted : whether a case, by its id, is to be in the group.

    Returns
    -------
    Path, int : the table and its number of rows.

    Raises
    ------
    InputError : there is no case, or the tables have different columns.
    """
    rows: dict[str, tuple[float, Path, Mapping[str, str]]] = {}
    for table in sorted((out_dir / WORK_NAME).glob(f"*/{PROCESSED_NAME}")):
        for row in read_table(table):
            name = f"sub-{row['case_id']}"
            finished = table.parent / name / f"{name}_case.json"
            if not wanted(row["case_id"]) or not finished.exists():
                continue
            time = finished.stat().st_mtime
            if row["case_id"] not in rows or time > rows[row["case_id"]][0]:
                rows[row["case_id"]] = (time, table.parent, row)
    if not rows:
        raise InputError(f"There is no processed case in {out_dir}.", "Run the level 'participant' first.")
    headers = {tuple(row) for _, _, row in rows.values()}
    if len(headers) > 1:
        raise InputError("The cases were processed with different region schemes.", "Process all with one scheme.")
    group = out_dir / GROUP_NAME
    store = Store(group)
    for case_id, (_, folder, _) in rows.items():
        name = f"sub-{case_id}"
        shutil.rmtree(group / name, ignore_errors=True)
        _link_tree(folder / name, group / name)
        for thumbnail in (folder / "batch" / "thumbnails").glob(f"{name}_*.jpg"):
            _link(thumbnail, store.folder / "thumbnails" / thumbnail.name)
    ordered = [dict(rows[case_id][2]) for case_id in sorted(rows)]
    table = group / PROCESSED_NAME
    write_atomically(table, table_text(ordered, list(ordered[0]), csv_file=True))
    describe_table(table)
    return table, len(ordered)


def selection_name(participants: Sequence[str], sessions: Sequence[str]) -> str:
    """The work folder of a selection: ``sub-01``, ``sub-01+02_ses-1`` or ``all``."""
    parts = [
        f"{key}-{'+'.join(sorted(labels))}" for key, labels in (("sub", participants), ("ses", sessions)) if labels
    ]
    name = "_".join(parts) or "all"
    return name if len(name) <= 100 else f"{name[:80]}+{len(participants)}"


def _with_sources(sidecar: Path, t1: Path, source: Path) -> dict[str, object]:
    found = json.loads(sidecar.read_text(encoding="utf-8"))
    if t1.resolve().is_relative_to(source.resolve()):
        uri = f"bids:raw:{t1.resolve().relative_to(source.resolve()).as_posix()}"
        found |= {"Sources": [uri], "SpatialReference": uri}
    return found


def _link(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(path, target)


def _link_tree(folder: Path, target: Path) -> None:
    for path in (p for p in folder.rglob("*") if p.is_file()):
        _link(path, target / path.relative_to(folder))


def _replace(new: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        shutil.rmtree(place)
    new.rename(place)


_README = """\
# Brain age of functional regions

Made by RegionalBrainAge. Research use only. Not approved for clinical use. Not a diagnosis, not for treatment
decisions.

- `sub-*/[ses-*/]anat/`: masks, regions and parcels in the space of each T1-weighted head; tables, maps, transforms
  and the report (`*_report.html`), whose names BIDS does not know yet (see `.bidsignore`).
- `group/`: the table of all cases (`processed_cases.csv`, columns in `processed_cases.json`), the quality page and the
  group analysis.
- `work/`: what `participant` goes on from and `group` gathers. It may be deleted when no more cases will be added.
"""
