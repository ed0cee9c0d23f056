"""The tables a reviewer asks for, as they are printed: who was studied, what was checked, checklists, abbreviations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.files.wording import ABSENT, plain, with_minus

from ..statistics.classification import NESTED
from ..statistics.mixed_models import GROUP_TERM, LOG_VOLUME
from ..statistics.sensitivity import IN_ML
from .figure_style import words

if TYPE_CHECKING:
    from ..result import AnalysisResult

_NETWORKS = {
    "smn": "sensorimotor network", "fpn": "frontoparietal network", "dan": "dorsal attention network",
    "van": "ventral attention and language network", "sal": "salience network", "dmn": "default mode network",
    "aud": "auditory network", "vis": "visual network", "lim": "limbic network",
}  # fmt: skip
_ABBREVIATIONS = {
    "AIC, BIC": "Akaike's and Bayesian information criterion",
    "AUC": "area under the receiver operating characteristic (ROC) curve",
    "CFI, TLI": "comparative fit index, Tucker-Lewis index",
    "CI": "95 % confidence interval",
    "CST": "corticospinal tract",
    "FDR": "false discovery rate (Benjamini-Hochberg)",
    "FIML": "full-information maximum likelihood",
    "GEE": "generalised estimating equations",
    "ICC": "intraclass correlation, the share of unexplained variance between sites",
    "ipsi, contra": "ipsilesional, contralesional: on the side of the lesion, on the other side",
    "mi, epc": "modification index, the parameter's expected change if it were free",
    "ML, REML": "(restricted) maximum likelihood",
    "PAD": "predicted age difference, brain age minus chronological age",
    "RMSEA, SRMR": "root mean square error of approximation, standardised root mean square residual",
    "SD, SE": "standard deviation, standard error",
    "STROBE, TRIPOD+AI": "reporting guidelines of observational studies and of prediction models",
    "SVM": "support vector machine",
    "VIF": "variance inflation factor",
}
_KINDS = {LOG_VOLUME: "lesion volume", GROUP_TERM: "motor groups", "load_": "lesion load"}
_MOST_ROWS, _STRONGEST = 40, 15


@dataclass(frozen=True)
class Section:
    """A printed table: title, one sentence, column heads and rows of text; the first column is text."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sections(result: AnalysisResult) -> list[Section]:
    """Every table of the supplement that this run has."""
    tables = result.tables
    found = [
        _section(tables.get("table_one"), "Table 1: who was studied", "Mild and severe motor impairment apart; the "
                 "standardised difference does not grow with the number of cases.", {"variable": words}),
        _section(tables.get("flow"), "Flow of cases", "From the table's rows to the cases of each analysis."),
        _section(tables.get("table_one_sites"), "Table 1 by site", ""),
        _section(_some_missing(tables.get("missing_data")), "Missing data", "Variables that some cases lack, in "
                 "percent of the cases used.", {"variable": words}),
        *(
            _section(_headline(tables.get("sensitivity"), kind), f"Sensitivity: {title}", "The one of the smallest p, "
                     f"each row with one choice changed; all others: sensitivity.tsv.{_not_done(tables)}",
                     {"outcome": words, "term": words})
            for kind, title in _KINDS.items()
        ),
        _section(_checks(tables.get("model_checks")), "Checks of the volume models", "Second program (statsmodels), "
                 "other standard errors (GEE), collinearity, residuals, influence and power; all columns: "
                 "model_checks.tsv.", {"outcome": words}),
        _section(_means(result), "Adjusted means of the motor groups", "For the average covariates of the cases used, "
                 "the variables that differ most first; all: adjusted_means.tsv.", {"variable": words}),
        _section(tables.get("formula_models"), "Model of your own formula", "", {"outcome": words}),
        _section(_first(tables.get("sem_r2")), "Path model: variance explained", "", {"variable": words}),
        _section(_first(tables.get("sem_modification"), 8), "Path model: what it leaves out", "Modification indices, "
                 "largest first. A model changed by them must be tested on other data.", {"lhs": words, "rhs": words}),
        _section(_main_path(tables.get("sem_sensitivity")), "Sensitivity: path model", "The first path, or the whole "
                 "effect where it is defined (total), standardised, each row with one choice changed; all paths: "
                 "sem_sensitivity.tsv."),
        _section(tables.get("sem_groups_test"), "Path model: are the groups' paths equal?", ""),
        _section(_benefit(tables.get("decision_curve")), "Decision curve", "Net benefit per person of acting above "
                 "each threshold of risk; acting on nobody has 0."),
        _section(_at_sites(tables.get("classifier_sites")), "AUC at each site", "Of the nested choice, where the "
                 "site has cases of both classes; every site was held out. The baseline: classifier_sites.tsv."),
        _section(tables.get("strobe"), "STROBE checklist, filled from this run", ""),
        _section(tables.get("tripod_ai"), "TRIPOD+AI checklist, filled from this run", ""),
        _abbreviations(result),
    ]  # fmt: skip
    return [section for section in found if section is not None]


def _section(
    table: pd.DataFrame | None, title: str, note: str, say: dict[str, Callable[[str], str]] | None = None
) -> Section | None:
    if table is None or not len(table):
        return None
    say = say or {}
    rows = tuple(
        tuple(
            say.get(column, _text)(value) if isinstance(value, str) else _text(value) for column, value in row.items()
        )
        for row in table.head(_MOST_ROWS).to_dict("records")
    )
    if len(table) > _MOST_ROWS:
        note = f"{note} The first {_MOST_ROWS} of {len(table)} rows.".strip()
    return Section(title, note, tuple(str(name).replace("_", " ") for name in table.columns), rows)


def _text(value: object) -> str:
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ABSENT
    if isinstance(value, float | np.floating):
        size = abs(float(value))
        if size >= 1e5 or 0 < size < 5e-4:
            return with_minus(f"{value:.1e}")
        return plain(float(value), 0 if float(value).is_integer() else 3)
    return str(value)


def _some_missing(table: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if table is None else table[table["missing"] > 0]


def _not_done(tables: dict[str, pd.DataFrame]) -> str:
    """Which analyses of the sensitivity table were not done, and why, as a sentence; "" where all were."""
    table = tables.get("sensitivity", pd.DataFrame({"status": [], "analysis": [], "note": []}))
    left = table[table["status"] == "not done"]
    told = "; ".join(f"{row.analysis} ({row.note})" for row in left.itertuples())
    return f" Not done: {told}." if told else ""


def _at_sites(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """The nested choice at the sites where it can be judged."""
    if table is None:
        return None
    return table[(table["classifier"] == NESTED) & table["auc"].notna()].drop(columns="classifier")


def _first(table: pd.DataFrame | None, rows: int = 20) -> pd.DataFrame | None:
    return None if table is None else table.head(rows)


def _headline(table: pd.DataFrame | None, kind: str) -> pd.DataFrame | None:
    """The coefficient of a kind (beginning of its term) whose reported effect is the surest."""
    if table is None or not len(table):
        return None
    table = table[table["term"].astype(str).str.startswith(kind) | (table["analysis"] == IN_ML)]
    reported = table[(table["analysis"] == "as reported") & table["p"].notna()]
    if not len(reported):
        return None
    row = reported.loc[reported["p"].astype(float).idxmin()]
    terms = [row["term"], *(["lesion_volume_ml"] if kind == LOG_VOLUME else [])]
    return table[(table["outcome"] == row["outcome"]) & table["term"].isin(terms)].drop(columns=["status"])


def _main_path(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """The rows of the first path and of the effect called total."""
    if table is None or not len(table):
        return None
    first = table.iloc[0]
    mine = ((table["lhs"] == first["lhs"]) & (table["rhs"] == first["rhs"])) | (table["lhs"] == "total")
    shown = table[mine | (table["lhs"] == "")]
    path = ["total" if row.op == ":=" else f"{words(row.rhs)} → {words(row.lhs)}" if row.lhs else "–"
            for row in shown.itertuples()]  # fmt: skip
    return shown.assign(path=path)[["analysis", "path", "std_all", "ci_low", "ci_high", "p", "n", "note"]]


def _means(result: AnalysisResult) -> pd.DataFrame | None:
    """Adjusted means, mild beside severe, of the variables whose groups differ most."""
    means, differences = (result.tables.get(name) for name in ("adjusted_means", "group_differences"))
    if means is None or differences is None or not len(means):
        return None
    order = differences.reindex(differences["t"].abs().sort_values(ascending=False).index)["variable"]
    wide = means.pivot(index="variable", columns="group", values=["mean", "ci_low", "ci_high"])
    wide = wide.reindex([name for name in order if name in wide.index][:_STRONGEST])
    return pd.DataFrame(
        {
            "variable": wide.index,
            **{f"{group}_{part}": wide[part, group].to_numpy()
               for group in ("mild", "severe") for part in ("mean", "ci_low", "ci_high")},
        }
    )  # fmt: skip


def _checks(table: pd.DataFrame | None) -> pd.DataFrame | None:
    if table is None:
        return None
    away = (table["log_likelihood"] - table["statsmodels_log_likelihood"]).abs()
    shown = table[
        ["outcome", "estimate", "gee_estimate", "gee_p", "largest_vif", "r2_marginal", "r2_conditional",
         "residual_skewness", "largest_cook", "estimate_without_it", "smallest_detectable"]
    ]  # fmt: skip
    return shown.assign(statsmodels_log_likelihood_differs_by=away)


def _benefit(table: pd.DataFrame | None) -> pd.DataFrame | None:
    if table is None:
        return None
    wide = table.pivot(index="threshold", columns="classifier", values="net_benefit").reset_index()
    return wide[wide["threshold"].isin([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])]


def _abbreviations(result: AnalysisResult) -> Section:
    known = _ABBREVIATIONS | {
        network.upper(): _NETWORKS[network] for network in result.cohort.networks if network in _NETWORKS
    }
    return Section("Abbreviations", "", ("abbreviation", "meaning"), tuple(sorted(known.items())))
