"""The region scheme the brain maps are drawn with, and whether it is that of the table."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.resources import scheme_file

COLUMNS = ("network", "hemisphere", "atlas", "labels")
Scheme = dict[tuple[str, str], tuple[str, list[str]]]


def read_scheme(path: str = "") -> Scheme:
    """Regions of a scheme file (the shipped one when empty): (network code, L or R) -> atlas and label names.

    Raises
    ------
    InputError : the file cannot be read, or is no region scheme.
    """
    file = scheme_file(path or None)
    rows = read_table(file)
    if not rows or any(row.get(column) is None for row in rows for column in COLUMNS):
        raise InputError(
            f"{file} is no region scheme.", f"Give a tab-separated file with the columns region, {', '.join(COLUMNS)}."
        )
    return {
        (row["network"].lower(), row["hemisphere"]): (row["atlas"], [name.strip() for name in row["labels"].split(",")])
        for row in rows
    }


def mismatch(networks: Sequence[str], scheme: Collection[tuple[str, str]], path: str = "") -> str:
    """What to tell the user where networks of the table are not in the scheme; empty when all are."""
    name = scheme_file(path or None).name
    known = list(dict.fromkeys(network for network, _ in scheme))
    absent = [network for network in networks if network not in known]
    if not absent:
        return ""
    remedy = "Give the scheme that the cases were processed with in the setting scheme."
    if len(absent) == len(networks):
        return (
            f"No brain maps are drawn: the table's networks ({', '.join(networks)}) are not those of the scheme "
            f"{name} ({', '.join(known)}). {remedy}"
        )
    return f"The brain maps lack {', '.join(absent)}, which the region scheme, {name}, does not have. {remedy}"
