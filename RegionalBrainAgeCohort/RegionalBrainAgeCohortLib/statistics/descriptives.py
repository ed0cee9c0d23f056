"""Who was studied: Table 1, sites, missing data and the flow of cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

TABLE_ONE_COLUMNS = ("variable", "statistic", "all", "mild", "severe", "missing", "standardised_difference")
SITE_TABLE_COLUMNS = (
    "site",
    "n",
    "age_mean",
    "age_sd",
    "women_percent",
    "lesion_volume_median_ml",
    "n_severe",
    "n_mild",
)
MISSING_COLUMNS = ("variable", "missing", "percent", "percent_mild", "percent_severe")


def table_one(data: pd.DataFrame, variables: Sequence[str]) -> pd.DataFrame:
    """Mean and SD (median and quartiles of skewed variables, counts of text) of all, mild and severe cases.

    ``standardised_difference``: mild minus severe in units of the pooled SD (Austin 2009, Stat Med 28:3083); for
    text, the largest of its levels. It does not grow with the number of cases, as a p-value does.
    """
    groups = {"all": pd.Series(True, index=data.index)}
    if "severe" in data.columns:
        groups |= {"mild": data["severe"] == 0, "severe": data["severe"] == 1}
    rows: list[dict[str, object]] = [
        {"variable": "cases", "statistic": "n", **{name: str(int(rows.sum())) for name, rows in groups.items()}}
    ]
    for variable in variables:
        series = data[variable]
        missing = int(series.isna().sum())
        if pd.api.types.is_numeric_dtype(series):
            skewed = abs(series.skew()) > 1 if series.notna().sum() > 2 else False
            statistic = "median (quartiles)" if skewed else "mean (SD)"
            cells = {name: _numbers(series[rows].dropna(), skewed) for name, rows in groups.items()}
            row = {"variable": variable, "statistic": statistic, **cells, "missing": missing}
            if "mild" in groups:
                row["standardised_difference"] = _difference(series[groups["mild"]], series[groups["severe"]])
            rows.append(row)
            continue
        for level in sorted(series.dropna().unique()):
            shares = (series == level).astype(float).where(series.notna())
            cells = {name: _count(shares[rows].dropna()) for name, rows in groups.items()}
            row = {"variable": f"{variable}: {level}", "statistic": "n (%)", **cells, "missing": missing}
            if "mild" in groups:
                row["standardised_difference"] = _difference(shares[groups["mild"]], shares[groups["severe"]])
            rows.append(row)
    return pd.DataFrame(rows, columns=TABLE_ONE_COLUMNS)


def _numbers(values: pd.Series, skewed: bool) -> str:
    if not len(values):
        return ""
    if skewed:
        low, middle, high = values.quantile([0.25, 0.5, 0.75])
        return f"{_three_digits(middle)} ({_three_digits(low)} to {_three_digits(high)})"
    middle = _three_digits(values.mean())
    return f"{middle} ({_three_digits(values.std())})" if len(values) > 1 else middle


def _three_digits(value: float) -> str:
    """A number to three significant digits, thousands written out."""
    return f"{float(f'{value:.3g}'):.10g}"


def _count(values: pd.Series) -> str:
    return f"{int(values.sum())} ({100 * values.mean():.0f})" if len(values) else ""


def _difference(mild: pd.Series, severe: pd.Series) -> float:
    mild, severe = mild.dropna(), severe.dropna()
    if min(len(mild), len(severe)) < 2:
        return float("nan")
    spread = np.sqrt((mild.var() + severe.var()) / 2)
    return float((mild.mean() - severe.mean()) / spread) if spread > 0 else float("nan")


def table_by_site(data: pd.DataFrame) -> pd.DataFrame:
    """Size, age, sex, lesion volume and motor classes of every site."""
    rows = []
    for site, part in data.groupby("site"):
        row = {"site": site, "n": len(part), "age_mean": part["age"].mean(), "age_sd": part["age"].std()}
        if part["sex"].notna().any():
            row["women_percent"] = 100 * (part["sex"].dropna() == "F").mean()
        if "lesion_volume_ml" in part.columns:
            row["lesion_volume_median_ml"] = part["lesion_volume_ml"].median()
        if "severe" in part.columns:
            row |= {"n_severe": int((part["severe"] == 1).sum()), "n_mild": int((part["severe"] == 0).sum())}
        rows.append(row)
    return pd.DataFrame(rows, columns=SITE_TABLE_COLUMNS)


def missing_data(data: pd.DataFrame, variables: Sequence[str]) -> pd.DataFrame:
    """How many cases lack each variable, also by motor class: missing data that depend on outcome can mislead."""
    rows = []
    for variable in variables:
        absent = data[variable].isna()
        row = {"variable": variable, "missing": int(absent.sum()), "percent": 100 * absent.mean()}
        if "severe" in data.columns:
            for name, value in (("mild", 0), ("severe", 1)):
                mine = absent[data["severe"] == value]
                row[f"percent_{name}"] = 100 * mine.mean() if len(mine) else np.nan
        rows.append(row)
    table = pd.DataFrame(rows, columns=MISSING_COLUMNS)
    return table.sort_values("missing", ascending=False, kind="stable", ignore_index=True)
