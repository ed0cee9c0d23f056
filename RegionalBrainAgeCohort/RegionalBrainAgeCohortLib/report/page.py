"""One self-contained HTML report of a cohort analysis: no scripts, nothing loaded, all text escaped."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from RegionalBrainAgeLib.files.atomic_file import write_atomically
from RegionalBrainAgeLib.files.wording import ABSENT, RESEARCH_USE, SIMULATED, plain

from ..result import count_sentence
from ..sem.fit_measures import MEASURES
from ..statistics.classification import NESTED
from .figure_style import Picture, words
from .methods import direction, methods
from .supplement import sections

if TYPE_CHECKING:
    from ..result import AnalysisResult

_ROWS = 15


def write_report(result: AnalysisResult, figures: dict[str, Picture], path: Path) -> Path:
    """Write the report of `result` to `path` and return the path."""
    write_atomically(path, report_html(result, figures))
    return path


def report_html(result: AnalysisResult, figures: dict[str, Picture]) -> str:
    """The report's text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"num": plain, "p": p_text, "words": words, "interval": interval, "fit_words": fit_words}
    data = result.cohort.data
    known = data["severe"].dropna() if "severe" in data.columns else pd.Series(dtype=float)
    return environment.get_template("cohort_report.html").render(
        research_use=RESEARCH_USE,
        simulated=SIMULATED if _simulated(data) else "",
        result=result,
        cohort=result.cohort,
        facts=_facts(data, known),
        cards=_cards(result),
        figures={name: _embedded(picture) for name, picture in figures.items()},
        pictures=figures,
        volume=_volume_rows(result),
        loads=_strongest(result.tables.get("loads")),
        beside=_beside_thickness(result),
        groups=_strongest(result.tables.get("group_differences")),
        classifiers=_records(result.tables.get("classifiers")),
        sem_tables=_sem_tables(result),
        fit_rows=_fit_rows(result),
        methods=methods(result),
        direction=direction(result),
        supplement=sections(result),
        tables=sorted(result.tables),
    )


def _simulated(data: pd.DataFrame) -> bool:
    """Whether anyone in the table is made up, or has a lesion or an age that is."""
    return "simulated" in data.columns and bool(data["simulated"].notna().any())


def p_text(value: float) -> str:
    """A p-value as journals print it."""
    if not np.isfinite(value):
        return ABSENT
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def fit_words(measure: str) -> str:
    """A fit measure as journals print it: rmsea_ci_low -> RMSEA 90 % interval, low end."""
    words_of = {"chi2": "χ²", "ci_low": "90 % interval, low end", "ci_high": "90 % interval, high end"}
    words_of |= {"p_close": "p of close fit", "n_parameters": "free parameters", "log_likelihood": "log likelihood"}
    words_of |= {name: name.upper() for name in ("cfi", "tli", "rmsea", "srmr", "aic", "bic")}
    if measure in words_of:
        return words_of[measure]
    first, _, rest = measure.partition("_")
    return f"{words_of.get(first, first)} {words_of.get(rest, rest)}".strip()


def interval(row: dict, digits: int = 2, low: str = "ci_low", high: str = "ci_high") -> str:
    """An interval as text."""
    return f"{plain(row[low], digits)} to {plain(row[high], digits)}" if np.isfinite(row[low]) else ABSENT


def _embedded(picture: Picture) -> Markup:
    coded = base64.b64encode(picture.svg.encode()).decode()
    return Markup(f"data:image/svg+xml;base64,{coded}")


def _facts(data: pd.DataFrame, severe: pd.Series) -> list[tuple[str, str]]:
    age, sex = data["age"].dropna(), data["sex"].dropna()
    facts = [("Cases used", str(len(data))), ("Sites", str(data["site"].nunique()))]
    if len(age):
        facts.append(
            ("Age", f"{age.mean():.0f} ± {age.std():.0f} years" if len(age) > 1 else f"{age.iloc[0]:.0f} years")
        )
    if len(sex):
        facts.append(("Women", f"{100 * (sex == 'F').mean():.0f} %"))
    if "lesion_volume_ml" in data.columns and data["lesion_volume_ml"].notna().any():
        volume = data["lesion_volume_ml"].dropna()
        low, middle, high = volume.quantile([0.25, 0.5, 0.75])
        facts.append(("Lesion volume", f"{middle:.0f} ml ({low:.0f} to {high:.0f})"))
    if len(severe):
        facts.append(("Severe / mild", f"{int(severe.sum())} / {int(len(severe) - severe.sum())}"))
    return facts


def _cards(result: AnalysisResult) -> list[tuple[str, str, str]]:
    """Value, unit and sentence of the main findings."""
    cards = []
    rows = _volume_rows(result)
    if rows:
        for side, name in (("ipsi", "ipsilesional"), ("contra", "contralesional")):
            mine = [r for r in rows if r["outcome"].startswith(f"pad_{side}_")]
            done = [r for r in mine if np.isfinite(r["p"])]
            if done:
                passed = sum(r["p_fdr"] < 0.05 for r in done)
                cards.append((f"{passed}", f" of {len(done)} tested", f"{name} PADs related to lesion volume"))
    if result.classification is not None:
        table = result.classification.table.set_index("classifier")
        best = table.loc[NESTED]
        where = "at unseen sites" if best["n_sites"] > 1 else "among unseen cases of one site"
        cards.append(
            (
                f"{best['auc']:.2f}",
                f" vs {table.loc['baseline', 'auc']:.2f}",
                f"AUC for severe impairment {where}, the model chosen on inner folds; and the baseline",
            )
        )
    if result.sem is not None:
        paths = result.sem.paths
        found = paths[(paths["op"] == "~") & (paths["lhs"] == "motor") & (paths["rhs"] == "load_cst")]
        if len(found):
            row = found.iloc[0]
            told = f"standardised path CST load → motor, CFI {result.sem.measure('cfi'):.2f}"
            cards.append((plain(row["std_all"], 2), "", told))
    return cards


def _beside_thickness(result: AnalysisResult) -> str:
    """How many load effects there are on PADs and on plain thickness; empty without thicknesses."""
    pads, plain = (result.tables.get(name) for name in ("loads", "thickness_loads"))
    if plain is None:
        return ""
    if pads is None:
        return ""
    return (
        f"Load and PAD: {count_sentence(pads)}. Load and plain thickness, the baseline: {count_sentence(plain)} "
        "(thickness_loads.tsv)."
    )


def _records(table: pd.DataFrame | None) -> list[dict]:
    return [] if table is None else table.to_dict("records")


def _volume_rows(result: AnalysisResult) -> list[dict]:
    table = result.tables.get("mixed_models")
    if table is None:
        return []
    return _records(table[(table["model"] == "volume") & (table["term"] == "log_lesion_volume")])


def _strongest(table: pd.DataFrame | None) -> list[dict]:
    if table is None:
        return []
    return _records(table.reindex(table["t"].abs().sort_values(ascending=False).index)[:_ROWS])


def _sem_tables(result: AnalysisResult) -> list[tuple[str, str, str, list[dict]]]:
    """Title, figure, model text and the rows worth printing of every path model."""
    out = []
    for figure, (title, fit) in result.path_models.items():
        shown = fit.paths[
            fit.paths["op"].isin(["=~", "~", ":="])
            | ((fit.paths["op"] == "~~") & (fit.paths["lhs"] != fit.paths["rhs"]))
        ]
        out.append((title, figure, fit.model.strip(), _records(shown)))
    return out


def _fit_rows(result: AnalysisResult) -> list[tuple[str, list[float]]]:
    """Every fit measure with its value in each path model."""
    fits = [fit for _, fit in result.path_models.values()]
    return [(name, [fit.measure(name) for fit in fits]) for name in MEASURES] if fits else []
