"""Path models as texts in lavaan's language: the default, the published chain, its reverse, and that of thickness.

Cross-sectional data cannot settle the direction of a path: `reverse_model` gives the model that says the opposite.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .language import parse_model


def default_model(network: str, covariates: Sequence[str] = ("age", "sex_M")) -> str:
    """The default path model for one network: the published chain, the direct path, and `covariates` on every outcome.

    The direct path, tract load to contralesional PAD, is what the chain through motor outcome competes with; without it
    the chain takes its share.
    """
    ipsi, contra = f"pad_ipsi_{network}", f"pad_contra_{network}"
    return "\n".join(
        [
            " + ".join(["motor ~ a*load_cst", *covariates]),
            " + ".join([f"{ipsi} ~ b*load_cst", *covariates]),
            " + ".join([f"{contra} ~ c*motor + d*{ipsi} + e*load_cst", *covariates]),
            "through_motor := a*c",
            "through_ipsi := b*d",
            "indirect := a*c + b*d",
            "total := a*c + b*d + e",
        ]
    )


def published_model(network: str) -> str:
    """The published path model for one network: CST load -> motor -> contralesional PAD, beside ipsilesional PAD."""
    ipsi, contra = f"pad_ipsi_{network}", f"pad_contra_{network}"
    return "\n".join(
        [
            "motor ~ a*load_cst",
            f"{ipsi} ~ b*load_cst",
            f"{contra} ~ c*motor + d*{ipsi}",
            "through_motor := a*c",
            "through_ipsi := b*d",
            "indirect := a*c + b*d",
        ]
    )


def thickness_model(text: str, columns: Sequence[str]) -> str | None:
    """The model with each region's thickness in the place of its PAD; None without PADs or their thicknesses."""
    names = re.findall(r"\bpad_(?=(?:ipsi|contra)_)(\w+)", text)
    if not names or any(f"thickness_{name}" not in columns for name in names):
        return None
    return re.sub(r"\bpad_(?=(?:ipsi|contra)_)", "thickness_", text)


def reverse_model(text: str, pivot: str = "motor") -> str | None:
    """The model with every path that leaves `pivot` turned round; None where there is none or a loop would appear."""
    specification = parse_model(text)
    lines, turned, arrows = [], 0, []
    for p in specification.parameters:
        if not p.user:
            continue
        lhs, rhs = p.lhs, p.rhs
        if p.op == "~" and rhs == pivot:
            lhs, rhs = rhs, lhs
            turned += 1
        if p.op == "~":
            arrows.append((rhs, lhs))
        fixed = f"{p.value:g}*" if p.free < 0 and not p.exogenous and p.op != "=~" else ""
        lines.append(f"{lhs} ~ {fixed}1" if p.op == "~1" else f"{lhs} {p.op} {fixed}{rhs}")
    return "\n".join(lines) if turned and not _has_loop(arrows) else None


def _has_loop(arrows: list[tuple[str, str]]) -> bool:
    left = {name for arrow in arrows for name in arrow}
    while left:
        roots = {name for name in left if not any(end == name and begin in left for begin, end in arrows)}
        if not roots:
            return True
        left -= roots
    return False
