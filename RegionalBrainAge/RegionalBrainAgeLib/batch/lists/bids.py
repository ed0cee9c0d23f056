"""Cases from a BIDS dataset, by a plain rule.

* People and facts: ``participants.tsv`` (participant_id, age, sex; site, days_post_stroke and motor where given); a
  ``sub-*/sub-*_sessions.tsv`` with the same columns overrides them per session.
* Head: ``sub-*/[ses-*/]anat/*_T1w.nii[.gz]`` (also one folder of cohorts above ``sub-*``, as in ATLAS). Of several in
  one session the first by name without an ``acq`` label is taken, otherwise the first by name, and the case says so.
* Lesion mask: in the same ``anat`` folder, then in ``derivatives/*/sub-*/[ses-*/]anat/``; a name that ends in
  ``_mask``, ``_roi`` or ``_lesion`` and says lesion: ``*_label-lesion_mask``, ``*_desc-lesion_mask``,
  ``*_lesion_mask``, ``*_label-L_mask``, ``*_label-L_desc-T1lesion_mask`` (ATLAS). Its ``space`` must be the T1's.
* A mask of another space, or several different masks, set the case aside with the reason. A head without any mask is
  processed as one without a lesion, and both the case and the batch say so (`require_lesion` sets it aside instead).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...case.case import case_from_text
from ...errors import InputError
from .case_list import SESSION_MARK, CaseList, FailedCase, PlannedCase, as_fields, open_rows

# Names of the subject's own space; "" is a name without a space entity.
NATIVE_SPACES = ("", "orig", "T1w", "individual", "scanner", "native", "subject")
NO_MASK_NOTE = "The dataset has no lesion mask for this head: it was processed as a head without a lesion."
_T1_ENDING = re.compile(r"_T1w\.nii(\.gz)?$")
_MASK_NAME = re.compile(r"(_mask|_roi|_lesion)\.nii(\.gz)?$", re.IGNORECASE)
_FACTS = ("age", "sex", "site", "days_post_stroke", "motor")


def read_dataset(root: Path | str, *, require_lesion: bool = False, calibration: Path | None = None) -> CaseList:
    """Find and check the cases of a BIDS dataset, in the order of subjects and sessions.

    Raises
    ------
    InputError : there is no participants.tsv or no T1-weighted head.
    """
    root = Path(root)
    facts = _facts(root / "participants.tsv", "participant_id")
    cases: list[PlannedCase] = []
    broken: list[FailedCase] = []
    without_mask = 0
    for number, (subject, anat) in enumerate(_anat_folders(root), start=1):
        label = subject.name.removeprefix("sub-")
        session = anat.parent.name.removeprefix("ses-") if anat.parent != subject else ""
        case_id = f"{label}{SESSION_MARK}{session}" if session else label
        try:
            head, notes = _head(anat)
            mask = _mask(root, subject, anat, head)
            if mask is None and require_lesion:
                raise InputError("No lesion mask was found.", "Add one, or leave --require-lesion out.")
            known = _person_facts(facts, subject, session)
            fields = {"case_id": case_id, "t1": str(head), "lesion": str(mask) if mask else ""} | known
            fields["calibration"] = str(calibration.resolve()) if calibration else ""
            case = case_from_text(fields, root)
        except InputError as error:
            broken.append(FailedCase(number, case_id, "list", str(error)))
            continue
        without_mask += mask is None
        cases.append(PlannedCase(number, case, notes if mask else (*notes, NO_MASK_NOTE)))
    if not cases and not broken:
        raise InputError(f"No T1-weighted head was found in {root}.", "Expected are sub-*/[ses-*/]anat/*_T1w.nii.gz.")
    remarks = ()
    if without_mask:
        remarks = (f"{without_mask} of {len(cases)} heads have no lesion mask and are processed as without a lesion.",)
    return CaseList(tuple(cases), tuple(broken), remarks)


def _anat_folders(root: Path) -> Iterator[tuple[Path, Path]]:
    """Subject and anat folder of every session that has a T1w."""
    subjects = sorted(p for p in root.glob("sub-*") if p.is_dir())
    subjects = subjects or sorted(
        p for p in root.glob("*/sub-*") if p.is_dir() and p.parent.name not in ("derivatives", "sourcedata", "code")
    )
    for subject in subjects:
        for anat in [subject / "anat", *sorted(subject.glob("ses-*/anat"))]:
            if any(_T1_ENDING.search(p.name) for p in anat.glob("*_T1w.nii*")):
                yield subject, anat


def _head(anat: Path) -> tuple[Path, tuple[str, ...]]:
    heads = sorted(p for p in anat.glob("*_T1w.nii*") if _T1_ENDING.search(p.name))
    head = min(heads, key=lambda p: ("_acq-" in p.name, p.name))
    _refuse_dangling(head)
    notes = (f"The session has {len(heads)} T1-weighted heads; {head.name} was used.",) if len(heads) > 1 else ()
    return head, notes


def _mask(root: Path, subject: Path, anat: Path, head: Path) -> Path | None:
    """The lesion mask of a head, None if there is none at all.

    Raises
    ------
    InputError : the only masks are of another space, or several masks could be meant.
    """
    below = anat.relative_to(subject)
    stem = _entities_before_space(head.name)
    other_space: list[Path] = []
    derived = sorted(root.glob(f"derivatives/*/{subject.name}/{below}"))
    derived += sorted(root.glob(f"derivatives/*/*/{subject.name}/{below}"))
    for folder in (anat, *derived):
        masks = sorted(p for p in folder.glob("*.nii*") if _is_lesion_mask(p.name))
        fitting = [p for p in masks if _same_space(p.name, head.name)]
        other_space += [p for p in masks if p not in fitting]
        if len(fitting) > 1:  # a mask that shares all of the head's labels (run, acq) is its own
            fitting = [p for p in fitting if p.name.startswith(stem + "_")] or fitting
        if len(fitting) > 1:
            names = ", ".join(p.name for p in fitting)
            raise InputError(f"Several lesion masks could be meant: {names}.", "List the cases in a CSV and choose.")
        if fitting:
            _refuse_dangling(fitting[0])
            return fitting[0]
    if other_space:
        raise InputError(
            f"The lesion mask {other_space[0].name} is in another space than {head.name}.",
            "Give a mask drawn on, or resampled to, this T1.",
        )
    return None


def _is_lesion_mask(name: str) -> bool:
    if not _MASK_NAME.search(name):
        return False
    return "lesion" in name.lower() or _entity(name, "label") == "L"


def _same_space(mask: str, head: str) -> bool:
    spaces = (_entity(mask, "space"), _entity(head, "space"))
    return spaces[0] == spaces[1] or all(space in NATIVE_SPACES for space in spaces)


def _entity(name: str, key: str) -> str:
    match = re.search(rf"(?:^|_){key}-([A-Za-z0-9]+)", name)
    return match.group(1) if match else ""


def _entities_before_space(name: str) -> str:
    return _T1_ENDING.sub("", name).split("_space-")[0]


def _refuse_dangling(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path.name} is a link without content.", "Fetch the data first (git-annex/datalad get).")


def _facts(path: Path, key: str) -> dict[str, dict[str, str]]:
    if not path.exists():
        raise InputError(
            f"The dataset has no {path.name} in {path.parent}.", "It must hold participant_id, age and sex."
        )
    header, rows = open_rows(path)
    if key not in header:
        raise InputError(f"{path} has no column {key}.", f"Name the first column {key}.")
    found = {}
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(
                f"Line {line} of {path} has {len(cells)} cells, the header has {len(header)}.", "Repair the line."
            )
        row = as_fields(header, cells)
        found[row[key].strip()] = {name: row[name] for name in _FACTS if name in row}
    return found


def _person_facts(facts: dict[str, dict[str, str]], subject: Path, session: str) -> dict[str, str]:
    known = facts.get(subject.name, facts.get(subject.name.removeprefix("sub-")))
    if known is None:
        raise InputError(f"{subject.name} is not in participants.tsv.", "Add a line with its age and sex.")
    sessions = subject / f"{subject.name}_sessions.tsv"
    if session and sessions.exists():
        by_session = _facts(sessions, "session_id")
        known = known | by_session.get(f"ses-{session}", by_session.get(session, {}))
    return known
