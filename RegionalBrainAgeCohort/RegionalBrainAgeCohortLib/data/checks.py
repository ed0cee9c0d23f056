"""Looks at the columns of a cohort before anything is fitted and says, in sentences, what will not work and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.files.wording import SIMULATED

from ..statistics.design_rank import independent_columns
from .finding import Finding
from .scheme import mismatch, read_scheme
from .settings import Settings

# So many numbers are not the same in two people by chance.
_ENOUGH_MEASUREMENTS = 2


def check_columns(data: pd.DataFrame, networks: tuple[str, ...], settings: Settings) -> list[Finding]:
    """Findings about sites, classes, constant and collinear columns and missing values of the usable cases."""
    return [
        *_simulated(data),
        *_copied_rows(data),
        *_sites(data),
        *_classes(data, settings),
        *_constant(data, settings),
        *_collinear(data, settings),
        *_missing(data, networks, settings),
        *_brain_maps(networks, settings),
    ]


def _simulated(data: pd.DataFrame) -> list[Finding]:
    made_up = int(data["simulated"].notna().sum()) if "simulated" in data.columns else 0
    sentence = f"{SIMULATED} In {made_up} of {len(data)} case(s) lesion, age or everything is made up."
    return [Finding("warning", sentence)] if made_up else []


def _copied_rows(data: pd.DataFrame) -> list[Finding]:
    """Cases with the very measurements of another: one person under two names."""
    measured = [c for c in data.columns if c.startswith(("pad_", "thickness_"))]
    rows = data[data[measured].notna().sum(axis=1) >= _ENOUGH_MEASUREMENTS]
    copied = rows[rows.duplicated(measured, keep=False)]
    if copied.empty:
        return []
    alike = copied.groupby(measured, dropna=False)["case_id"].agg(" / ".join)
    named = ", ".join(alike.head(5)) + (", ..." if len(alike) > 5 else "")
    return [Finding("warning", f"Cases have exactly the measurements of another ({named}): one person twice?")]


def _brain_maps(networks: tuple[str, ...], settings: Settings) -> list[Finding]:
    sentence = mismatch(networks, read_scheme(settings.scheme), settings.scheme)
    drawn = {"mixed", "loads"} & set(settings.families)
    return [Finding("warning", sentence)] if sentence and drawn else []


def _sites(data: pd.DataFrame) -> list[Finding]:
    site = data["site"].dropna()
    sizes = site.value_counts()
    found = []
    unknown = len(data) - len(site)
    if unknown:
        found.append(Finding("warning", f"{unknown} case(s) have no site and are left out of the mixed models."))
    if len(sizes) == 1:
        found.append(
            Finding(
                "warning",
                "All cases are of one site: there is no site effect to estimate, so the mixed models are ordinary "
                "regressions and the classifiers are not tested on unseen sites.",
            )
        )
    elif len(sizes) and sizes.max() == 1:
        found.append(
            Finding(
                "warning",
                "Every site has a single case: a site effect cannot be told from the person, so the mixed models are "
                "ordinary regressions. Is the site column filled with case identifiers?",
            )
        )
    elif 1 < len(sizes) < 5:
        found.append(
            Finding("warning", f"There are only {len(sizes)} sites: site variance and site bootstrap are uncertain.")
        )
    folded = pd.Series(sizes.index, dtype=str).str.casefold()
    alike = sorted(set(folded[folded.duplicated()]))
    if alike:
        found.append(Finding("warning", f"Site names differ only in capitals ({', '.join(alike)}): one site or two?"))
    return found


def _classes(data: pd.DataFrame, settings: Settings) -> list[Finding]:
    if "severe" not in data.columns or not data["severe"].notna().any():
        return [
            Finding(
                "warning", "There is no motor outcome: group differences, classifiers and the path model are skipped."
            )
        ]
    severe = data["severe"].dropna()
    cut = f"motor <= {settings.cut:.3g}"
    if severe.nunique() == 1:
        kind = "severe" if severe.iloc[0] == 1 else "mild"
        return [Finding("warning", f"All {len(severe)} cases are {kind} ({cut}): there are no groups to compare.")]
    by_site = severe.groupby(data["site"]).nunique()
    if 1 < len(by_site) < len(severe) and (by_site == 1).all():
        return [
            Finding(
                "warning",
                f"Every site has cases of one motor class only ({cut}): severity cannot be told from site, so group "
                "differences and classifiers compare sites.",
            )
        ]
    return []


def _constant(data: pd.DataFrame, settings: Settings) -> list[Finding]:
    found = []
    for column in [c for c in analysed_columns(data, settings) if data[c].notna().any()]:
        values = data[column].dropna()
        if values.nunique() == 1 and column not in ("severe", "group_mild"):
            found.append(
                Finding(
                    "warning",
                    f"Column {column} is {values.iloc[0]:g} in all {len(values)} cases (constant): nothing can be "
                    "estimated from it; its rows have status 'constant'.",
                )
            )
    return found


def _collinear(data: pd.DataFrame, settings: Settings) -> list[Finding]:
    found = []
    asked = ["log_lesion_volume", *settings.covariates, "days_post_stroke"]
    names = [c for c in dict.fromkeys("sex_M" if c == "sex" else c for c in asked) if c in data.columns]
    names = [c for c in names if pd.api.types.is_numeric_dtype(data[c]) and data[c].nunique() > 1]
    complete = data[names].dropna()
    if len(complete) > len(names) + 1:
        design = np.column_stack([np.ones(len(complete)), complete.to_numpy(float)])
        kept = independent_columns(design)
        for j in [j for j in range(1, design.shape[1]) if j not in kept]:
            found.append(
                Finding(
                    "warning",
                    f"Column {names[j - 1]} is an exact combination of {_parts(design, kept, j, names)} (collinear): "
                    "it is left out where they are in the model; such rows have status 'rank deficient'.",
                )
            )
    measured = [c for c in data.columns if c.startswith(("pad_ipsi_", "pad_contra_", "load_"))]
    measured = [c for c in measured if data[c].nunique() > 1]
    if len(measured) > 1:
        with np.errstate(invalid="ignore", divide="ignore"):
            r = data[measured].corr(min_periods=5).abs().to_numpy()
        for i, j in zip(*np.where(np.triu(r, 1) > 1 - 1e-10), strict=True):
            found.append(
                Finding("warning", f"Columns {measured[i]} and {measured[j]} are copies of each other (collinear).")
            )
    return found


def _parts(design: np.ndarray, kept: np.ndarray, dropped: int, names: list[str]) -> str:
    """Names of the kept columns that make up the dropped one."""
    scale = design.std(axis=0)
    weights, *_ = np.linalg.lstsq(design[:, kept], design[:, dropped], rcond=None)
    share = np.abs(weights) * scale[kept] / scale[dropped]
    return ", ".join(names[k - 1] for k, part in zip(kept, share, strict=True) if part > 1e-6)


def _missing(data: pd.DataFrame, networks: tuple[str, ...], settings: Settings) -> list[Finding]:
    found = []
    asked = dict.fromkeys([*analysed_columns(data, settings), *data.columns.intersection(settings.covariates)])
    empty = [c for c in asked if data[c].isna().all() and c != "log_lesion_volume"]
    found += [Finding("warning", f"Column {c} is empty.") for c in empty if not c.startswith("thickness_")]
    pads = [c for c in data.columns if c.startswith(("pad_ipsi_", "pad_contra_"))]
    holes = int(data[pads].isna().any(axis=1).sum())
    if holes:
        found.append(
            Finding(
                "note",
                f"{holes} case(s) lack at least one regional PAD (not estimable); each model uses the cases that have "
                "all of its own variables, and says how many it left out.",
            )
        )
    absent = [f"pad_{side}_{net}" for net in networks for side in ("ipsi", "contra")]
    absent = [name for name in absent if name not in data.columns]
    if absent:
        found.append(Finding("warning", f"There is no column {', '.join(absent)}."))
    if not any(c.startswith("thickness_") and c not in empty for c in data.columns):
        found.append(
            Finding(
                "warning",
                "The table has no values in columns thickness_ipsi_<network>, so there is no thickness baseline: a PAD "
                "effect may be one of plain cortical thickness. Tables of cases processed now have these columns.",
            )
        )
    return found


def analysed_columns(data: pd.DataFrame, settings: Settings) -> list[str]:
    """Numeric columns that any analysis uses."""
    wanted = ["age", "sex_M", "days_post_stroke", "log_lesion_volume", "motor", *settings.covariates]
    wanted += [c for c in data.columns if c.startswith(("pad_ipsi_", "pad_contra_", "load_", "thickness_"))]
    present = [c for c in dict.fromkeys(wanted) if c in data.columns]
    return [c for c in present if pd.api.types.is_numeric_dtype(data[c])]
