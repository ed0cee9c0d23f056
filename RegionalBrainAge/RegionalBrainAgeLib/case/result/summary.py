"""Reads the case.json that a case left, as far as other pages and tables need it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ...age.model.asymmetry import Asymmetry
from ...errors import InputError
from ...files.input_file import parsing, read_json
from .result import CaseResult

_REGION_TEXTS, _PARCEL_TEXTS = ("region", "network", "hemisphere"), ("parcel",)
_REGION_NUMBERS = ("pad_corrected_years", "region_volume_ml")
_PARCEL_NUMBERS = ("thickness_mm", "lesioned_fraction")
_TEXTS = ("qc", "calibration", "scheme")


def read_summary(folder: Path) -> dict[str, Any]:
    """The content of ``<folder>/<name>_case.json``, as `CaseResult.as_dict` wrote it.

    Raises
    ------
    InputError : there is none, or it was damaged or altered.
    """
    path = Path(folder) / f"{Path(folder).name}_case.json"
    remedy = "Run the same call again (batch: with --resume): it notices and computes the case anew."
    content = read_json(path, f"The file {path}", remedy)
    wrong = _what_is_wrong(content)
    if wrong:
        raise InputError(f"The file {path} was damaged or altered: {wrong}.", remedy)
    return content


def read_result(folder: Path) -> CaseResult:
    """What a finished case left, as it was when it was written; numbers that were absent are NaN again.

    Raises
    ------
    InputError : there is none, or it was damaged or altered.
    """
    content = read_summary(folder)
    with parsing(f"The summary in {folder}"):
        return _build(CaseResult, content)


def route_of(summary: Mapping[str, Any]) -> str:
    """What measured the thickness of a case: "T1" or "FreeSurfer"."""
    return str(summary["provenance"]["parameters"]["thickness_from"])


def _build(kind: Any, value: Any) -> Any:
    """A value of a (data)class from plain JSON."""
    if isinstance(kind, type) and is_dataclass(kind):
        kinds = get_type_hints(kind, localns={"Asymmetry": Asymmetry})
        return kind(
            **{item.name: _build(kinds[item.name], value[item.name]) for item in fields(kind) if item.name in value}
        )
    if get_origin(kind) is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in value)
    if get_origin(kind) in (Union, UnionType):
        (own,) = (part for part in get_args(kind) if part is not NoneType)
        return None if value is None else _build(own, value)
    if kind is float:
        return math.nan if value is None else float(value)
    return Path(value) if kind is Path else value


def _what_is_wrong(content: object) -> str:
    if not isinstance(content, Mapping):
        return "it is no JSON object"
    for name in ("case", "model", "provenance", "lesion"):
        if not isinstance(content.get(name), Mapping):
            return f"it lacks {name}"
    for name in _TEXTS:
        if not isinstance(content.get(name), str):
            return f"it lacks {name}"
    warnings = content.get("warnings")
    if not isinstance(warnings, list) or not all(isinstance(text, str) for text in warnings):
        return "its warnings are no sentences"
    for name, texts, numbers in (
        ("regions", _REGION_TEXTS, _REGION_NUMBERS),
        ("parcels", _PARCEL_TEXTS, _PARCEL_NUMBERS),
    ):
        rows = content.get(name)
        if not isinstance(rows, list) or not all(_is_row(row, texts, numbers) for row in rows):
            return f"its {name} are no rows of a table"
    inputs, parameters = (content["provenance"].get(name) for name in ("inputs", "parameters"))
    if not isinstance(inputs, Mapping) or not all(isinstance(given, Mapping) for given in inputs.values()):
        return "it does not say from which files it comes"
    if not isinstance(parameters, Mapping) or "thickness_from" not in parameters:
        return "it does not say where the thickness is from"
    age, days = content["case"].get("age_years"), content["case"].get("days_post_stroke")
    if not _is_number(age) or not (days is None or _is_number(days)) or "calibration" not in content["case"]:
        return "its facts about the patient are not numbers"
    similarity = content["provenance"].get("registration_similarity")
    return "" if similarity is None or _is_number(similarity) else "its similarity is no number"


def _is_row(row: object, texts: tuple[str, ...], numbers: tuple[str, ...]) -> bool:
    if not isinstance(row, Mapping):
        return False
    named = all(isinstance(row.get(name), str) for name in texts)
    return named and all(name in row and (row[name] is None or _is_number(row[name])) for name in numbers)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
