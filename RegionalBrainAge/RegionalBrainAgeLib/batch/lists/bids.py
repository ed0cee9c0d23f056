"""Cases from a BIDS dataset, by a plain rule.

* People and facts: ``participants.tsv`` (participant_id, age, sex; site, days_post_stroke and motor where given), with
  a row per person, or per session where it has a session_id; a ``sub-*/sub-*_sessions.tsv`` overrides them per session.
* Head: ``sub-*/[ses-*/]anat/*_T1w.nii[.gz]`` (also one folder of cohorts above ``sub-*``, as in ATLAS). Of several in
  one session the first with a mask of its own is taken, without an ``acq`` label before others, and the case says so.
* Lesion mask: in the same ``anat`` folder or in ``derivatives/*/sub-*/[ses-*/]anat/``; a name that ends in
  ``_mask``, ``_roi`` or ``_lesion`` and says lesion: ``*_label-lesion_mask``, ``*_desc-lesion_mask``,
  ``*_lesion_mask``, ``*_label-L_mask``, ``*_label-L_desc-T1lesion_mask`` (ATLAS). Its ``space`` must be the T1's, and
  its labels that tell images of a session apart (``run``, ``acq``, ``rec``, ``ce``, ``echo``, ``inv``) the head's.
* A mask of another space, or several masks (two raters), set the case aside with the reason; so does a later session
  without a mask of a person who has one in an earlier session. Any other head without a mask is processed as one
  without a lesion, and both the case and the batch say so (`require_lesion` sets it aside instead).
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...case.case import case_from_text
from ...errors import InputError
from ...files.input_file import parsing, read_json
from ...files.tables import open_table
from ...files.words import check_sexes, is_missing
from .case_list import SESSION_MARK, CaseList, FailedCase, PlannedCase, split_session

# Names of the subject's own space; "" is a name without a space entity.
NATIVE_SPACES = ("", "orig", "T1w", "individual", "scanner", "native", "subject")
NO_MASK_NOTE = "The dataset has no lesion mask for this head: it was processed as a head without a lesion."
_T1_ENDING = re.compile(r"_T1w\.nii(\.gz)?$")
_MASK_NAME = re.compile(r"(_mask|_roi|_lesion)\.nii(\.gz)?$", re.IGNORECASE)
_FACTS = ("age", "sex", "site", "days_post_stroke", "motor")
# Labels that tell the images of one session apart.
_IMAGE_LABELS = ("run", "acq", "rec", "ce", "echo", "inv")
_SAYS_LESION = re.compile(
    r"((t1w?|t2w?|flair|dwi|stroke|manual|chronic|acute)?lesions?(mask|roi|manual)?\d*)", re.IGNORECASE
)
_SAYS_OTHER = re.compile(r"(non|no|peri|contra|without)-?lesion", re.IGNORECASE)


# Entities by their long names, as filter files of BIDS-Apps use them, and by their short ones.
_ENTITIES = {
    **{"session": "ses", "acquisition": "acq", "run": "run", "reconstruction": "rec", "ceagent": "ce"},
    **{"echo": "echo", "inversion": "inv", "part": "part"},
}
# What a filter file may also say of a T1, which is true of every head here.
_ALWAYS = {"datatype": "anat", "suffix": "T1w"}


@dataclass(frozen=True)
class Selection:
    """Which people, sessions and T1s of a dataset are meant.

    Parameters
    ----------
    participants, sessions : labels without ``sub-`` and ``ses-``; all if empty.
    t1 : allowed labels by short entity (``acq``, ``run``); "" stands for a name without the entity.
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    t1: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def takes_folder(self, subject: str, session: str) -> bool:
        """Whether a subject's session may hold a case; labels as in the folders' names."""
        label = subject.removeprefix("sub-")
        return (not self.participants or label in self.participants) and (not self.sessions or session in self.sessions)

    def takes_head(self, name: str) -> bool:
        """Whether a T1 of this file name is meant; numbers are the same with and without leading zeros."""
        return all(
            any(_entity(name, key).lstrip("0") == label.lstrip("0") for label in labels)
            for key, labels in self.t1.items()
        )


def read_filters(path: Path) -> dict[str, tuple[str, ...]]:
    """What a filter file (``--bids-filter-file``) says of the T1, for `Selection`.

    ``{"t1w": {"acquisition": "mprage", "run": [1, 2], "reconstruction": null}}``; null asks for a name without it.

    Raises
    ------
    InputError : the file is no JSON, or has an entity that T1-weighted heads do not have.
    """
    name, remedy = f"The filter file {path}", 'Write {"t1w": {"acquisition": "mprage"}}.'
    filters = read_json(path, name, remedy)
    with parsing(name, remedy):
        wanted = filters.get("t1w", {}).items()
    found = {}
    for name, value in wanted:
        if name in _ALWAYS:
            continue
        if name not in _ENTITIES:
            raise InputError(f"The filter file {path} asks for '{name}'.", f"Use {', '.join(_ENTITIES)}.")
        values = value if isinstance(value, list) else [value]
        found[_ENTITIES[name]] = tuple("" if one is None else str(one) for one in values)
    return found


def read_dataset(
    root: Path | str,
    *,
    require_lesion: bool = False,
    calibration: Path | None = None,
    derivatives: str | None = None,
    selection: Selection | None = None,
) -> CaseList:
    """Find and check the cases of a BIDS dataset, in the order of subjects and sessions.

    Parameters
    ----------
    derivatives : name of the folder below ``derivatives`` whose masks are used (a rater, a pipeline); all if None.
    selection : which people, sessions and T1s; all if None.

    Raises
    ------
    InputError : there is no participants.tsv or no T1-weighted head, or a participant or folder of derivatives asked
        for is not there.
    """
    root, selection = Path(root).resolve(), selection or Selection()
    people = _participants(root / "participants.tsv")
    if derivatives is not None:
        _refuse_absent(root / "derivatives", derivatives)
    cases: list[PlannedCase] = []
    broken: list[FailedCase] = []
    without_mask = 0
    masked_before: set[str] = set()
    for number, (subject, anat) in enumerate(_anat_folders(root, selection), start=1):
        label = subject.name.removeprefix("sub-")
        session = anat.parent.name.removeprefix("ses-") if anat.parent != subject else ""
        case_id = f"{label}{SESSION_MARK}{session}" if session else label
        try:
            head, mask, notes = _head_and_mask(root, subject, anat, derivatives, selection)
            if mask is not None:
                masked_before.add(label)
            elif label in masked_before:
                raise InputError(
                    "An earlier session of this person has a lesion mask, this one has none.",
                    "Add the mask of this session, or list the case in a CSV.",
                )
            elif require_lesion:
                raise InputError("No lesion mask was found.", "Add one, or leave --require-lesion out.")
            known = _person_facts(people, subject, session)
            fields = {"case_id": case_id, "t1": str(head), "lesion": str(mask) if mask else ""} | known
            fields["calibration"] = str(calibration.resolve()) if calibration else ""
            case = case_from_text(fields, root)
        except InputError as error:
            broken.append(FailedCase(number, case_id, "list", str(error)))
            continue
        without_mask += mask is None
        cases.append(PlannedCase(number, case, notes if mask else (*notes, NO_MASK_NOTE)))
    if not cases and not broken:
        chosen = " that was asked for" if selection != Selection() else ""
        raise InputError(
            f"No T1-weighted head{chosen} was found in {root}.", "Expected are sub-*/[ses-*/]anat/*_T1w.nii.gz."
        )
    _refuse_unknown(selection, {split_session(found)[0] for found in [*_ids(cases), *_ids(broken)]})
    remarks = []
    if without_mask:
        whole = f"{without_mask} of {len(cases)} heads have no lesion mask and are processed as without a lesion."
        remarks.append(whole)
    return CaseList(tuple(cases), tuple(broken), tuple(remarks))


def _ids(cases: list[PlannedCase] | list[FailedCase]) -> list[str]:
    return [one.case.case_id if isinstance(one, PlannedCase) else one.case_id for one in cases]


def _refuse_absent(derivatives: Path, name: str) -> None:
    """A folder of masks that is not there would make patients of heads without a lesion."""
    if not (derivatives / name).is_dir():
        there = sorted(path.name for path in derivatives.glob("*") if path.is_dir())
        raise InputError(
            f"There is no folder {derivatives / name}.",
            f"Give one of {', '.join(there)}." if there else "Leave --derivatives out.",
        )


def _refuse_unknown(selection: Selection, found: set[str]) -> None:
    unknown = [label for label in selection.participants if label not in found]
    if unknown:
        raise InputError(
            f"The dataset has no such T1-weighted head of the participant(s) {', '.join(unknown)}.",
            "Give labels of its folders, without sub-.",
        )


def _anat_folders(root: Path, selection: Selection) -> Iterator[tuple[Path, Path]]:
    """Subject and anat folder of every session asked for that has a T1w asked for."""
    subjects = sorted(p for p in root.glob("sub-*") if p.is_dir())
    subjects = subjects or sorted(
        p for p in root.glob("*/sub-*") if p.is_dir() and p.parent.name not in ("derivatives", "sourcedata", "code")
    )
    for subject in subjects:
        for anat in [subject / "anat", *sorted(subject.glob("ses-*/anat"))]:
            session = anat.parent.name.removeprefix("ses-") if anat.parent != subject else ""
            if selection.takes_folder(subject.name, session) and _heads(anat, selection):
                yield subject, anat


def _heads(anat: Path, selection: Selection) -> list[Path]:
    heads = sorted(p for p in anat.glob("*_T1w.nii*") if _T1_ENDING.search(p.name))
    return [path for path in heads if selection.takes_head(path.name)]


def _head_and_mask(
    root: Path, subject: Path, anat: Path, derivatives: str | None, selection: Selection
) -> tuple[Path, Path | None, tuple[str, ...]]:
    """The head of a session, its lesion mask (None if there is none at all) and notes.

    Raises
    ------
    InputError : the only masks are of another space, or several masks, or a mask of several heads, could be meant.
    """
    heads = _heads(anat, selection)
    heads.sort(key=lambda path: ("_acq-" in path.name, path.name))
    masks = _masks(root, subject, anat, derivatives)
    own = {head: [mask for mask in masks if _image_labels(mask.name) == _image_labels(head.name)] for head in heads}
    if len(heads) == 1:  # a mask without the labels of the only head can be no other's
        own[heads[0]] += [mask for mask in masks if mask not in own[heads[0]] and not any(_image_labels(mask.name))]
    elif (shared := [mask for mask in masks if not any(_image_labels(mask.name))]) and not any(own.values()):
        raise InputError(
            f"It is not clear which of {len(heads)} heads the lesion mask {shared[0].name} belongs to.",
            "Name it with the labels of its head (run, acq), or list the cases in a CSV.",
        )
    head = next((head for head in heads if own[head]), heads[0])
    _refuse_dangling(head)
    notes = (f"The session has {len(heads)} T1-weighted heads; {head.name} was used.",) if len(heads) > 1 else ()
    return head, _chosen_mask(own[head], head), notes


def _masks(root: Path, subject: Path, anat: Path, derivatives: str | None) -> list[Path]:
    below = anat.relative_to(subject)
    pipeline = glob.escape(derivatives) if derivatives else "*"
    folders = [anat, *sorted(root.glob(f"derivatives/{pipeline}/{subject.name}/{below}"))]
    folders += sorted(root.glob(f"derivatives/{pipeline}/*/{subject.name}/{below}"))
    return [path for folder in folders for path in sorted(folder.glob("*.nii*")) if _is_lesion_mask(path.name)]


def _chosen_mask(masks: list[Path], head: Path) -> Path | None:
    fitting = [path for path in masks if _same_space(path.name, head.name)]
    if len(fitting) > 1:
        names = ", ".join("/".join(path.parts[-4:]) if "derivatives" in path.parts else path.name for path in fitting)
        raise InputError(
            f"Several lesion masks could be meant: {names}.",
            "Choose a folder of derivatives with --derivatives, or list the cases in a CSV.",
        )
    if fitting:
        _refuse_dangling(fitting[0])
        return fitting[0]
    if masks:
        raise InputError(
            f"The lesion mask {masks[0].name} is in another space than {head.name}.",
            "Give a mask drawn on, or resampled to, this T1.",
        )
    return None


def _image_labels(name: str) -> tuple[str, ...]:
    return tuple(_entity(name, key) for key in _IMAGE_LABELS)


def _is_lesion_mask(name: str) -> bool:
    if not _MASK_NAME.search(name) or _SAYS_OTHER.search(name):
        return False
    label, desc = _entity(name, "label"), _entity(name, "desc")
    plain = re.search(r"_lesions?(_mask|_roi)?\.nii(\.gz)?$", name, re.IGNORECASE) is not None
    if label == "L":  # ATLAS: L is lesion, and desc says of which image
        return not desc or _SAYS_LESION.fullmatch(desc) is not None
    return plain or any(_SAYS_LESION.fullmatch(word) is not None for word in (label, desc))


def _same_space(mask: str, head: str) -> bool:
    spaces = (_entity(mask, "space"), _entity(head, "space"))
    return spaces[0] == spaces[1] or all(space in NATIVE_SPACES for space in spaces)


def _entity(name: str, key: str) -> str:
    match = re.search(rf"(?:^|_){key}-([A-Za-z0-9]+)", name)
    return match.group(1) if match else ""


def _refuse_dangling(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path.name} is a link without content.", "Fetch the data first (git-annex/datalad get).")


# Facts by person, then by session ("" for a row that names none); what is wrong with them where they cannot be used.
People = dict[str, dict[str, dict[str, str] | InputError]]


def _participants(path: Path) -> People:
    if not path.exists():
        raise InputError(
            f"The dataset has no {path.name} in {path.parent}.", "It must hold participant_id, age and sex."
        )
    return _facts(path, "participant_id")


def _facts(path: Path, key: str) -> People:
    table = open_table(path)
    names = {column: column.lower() for column in table.header}
    if key not in names.values():
        raise InputError(f"{path} has no column {key}.", f"Name the first column {key}.")
    twice = sorted(name for name, count in Counter(names.values()).items() if name and count > 1)
    if twice:
        raise InputError(f"{path} has the column {twice[0]} twice.", "Keep one of them.")
    found: People = {}
    sexes = []
    for row in table.rows():
        cells = {names[column]: text for column, text in row.cells.items()}
        person, session = cells.get(key, ""), cells.get("session_id", "") if key != "session_id" else ""
        session = "" if is_missing(session) else session.removeprefix("ses-")
        sexes.append(cells.get("sex", ""))
        facts = row.fault or {name: cells[name] for name in _FACTS if name in cells}
        sessions = found.setdefault(person.removeprefix("sub-").removeprefix("ses-"), {})
        if session in sessions and sessions[session] != facts:
            facts = InputError(
                f"{path.name} has several rows of {person} {session}".rstrip() + ", and they differ.",
                "Keep one row, or give each a session_id.",
            )
        sessions[session] = facts
    check_sexes(path, sexes)
    return found


def _person_facts(people: People, subject: Path, session: str) -> dict[str, str]:
    sessions = people.get(subject.name.removeprefix("sub-"))
    if sessions is None:
        raise InputError(f"{subject.name} is not in participants.tsv.", "Add a line with its age and sex.")
    known = sessions.get(session, sessions.get(""))
    if known is None and len(sessions) == 1:
        raise InputError(
            f"participants.tsv has {subject.name} in another session only.", "Add a line for this session."
        )
    if known is None:
        raise InputError(
            f"participants.tsv has {len(sessions)} rows of {subject.name}, none for this session.",
            "Give each row its session_id.",
        )
    own = subject / f"{subject.name}_sessions.tsv"
    more = _facts(own, "session_id").get(session, {}).get("", {}) if session and own.exists() else {}
    if isinstance(known, InputError):
        raise known
    if isinstance(more, InputError):
        raise more
    return known | {name: text for name, text in more.items() if not is_missing(text)}
