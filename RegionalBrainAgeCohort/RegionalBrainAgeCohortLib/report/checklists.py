"""STROBE and TRIPOD+AI, filled from the run: where each item is answered, and what only the authors can say.

The items are named in our own words after von Elm et al. 2007 (STROBE, cross-sectional studies; PLoS Med 4:e296) and
Collins et al. 2024 (TRIPOD+AI; BMJ 385:e078378).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from ..result import AnalysisResult

COLUMNS = ("item", "asks_for", "answer")
AUTHORS = "For the authors."


def strobe(result: AnalysisResult) -> pd.DataFrame:
    """STROBE items with the run's answers."""
    cohort, settings, tables = result.cohort, result.settings, result.tables
    sites = cohort.data["site"].nunique()
    sizes = "; ".join(f"{name}: {why}" for name, why in result.skipped.items()) or "none"
    subgroups = "; groups of the path model" if settings.sem_groups else ""
    rows = [
        ("1", "Design in title and abstract", AUTHORS),
        ("2-3", "Background, aims and hypotheses", AUTHORS),
        ("4", "Design", "Cross-sectional group analysis of processed cases (Methods)."),
        ("5", "Setting, places and dates", f"{sites} site(s), Table 1 by site; dates and recruitment: the authors."),
        ("6", "Participants: eligibility and selection", f"Flow of cases; {len(cohort.left_out)} left out."),
        ("7", "Variables defined", "Sidecar of every table; Methods."),
        ("8", "Data sources and measurement", "PADs, loads, thickness: this software; clinical data: the authors."),
        ("9", "Bias", "Sites modelled; loads adjusted for lesion volume; overlap and sensitivity analyses."),
        ("10", "Study size", _size(result)),
        ("11", "Quantitative variables", f"Motor cut {settings.cut:.3f}; log lesion volume; covariates "
         f"{', '.join(settings.covariates) or 'none'}."),
        ("12a-b", "Statistical methods, subgroups", f"Methods{subgroups}."),
        ("12c", "Missing data", f"Its table; path model: {result.sem.missing if result.sem else 'not fitted'}."),
        ("12d", "Sampling strategy", "Random site intercept; site-clustered errors and bootstrap."),
        ("12e", "Sensitivity analyses", "Sensitivity table." if "sensitivity" in tables else "Not done."),
        ("13", "Participants at each stage", "Flow of cases."),
        ("14", "Descriptive data", "Table 1 by motor class and by site; missing-data table."),
        ("15", "Outcome data", "Motor classes in Table 1; PADs by side and network in the tables."),
        ("16", "Main results with intervals, unadjusted and adjusted",
         "Adjusted estimates with 95 % intervals; loads also without lesion volume; standardised effects."),
        ("17", "Other analyses", f"Not done: {sizes.removesuffix('.')}."),
        ("18-19", "Key results and limitations", "What was not tested is said; the rest: the authors."),
        ("20-21", "Interpretation and generalisability", AUTHORS),
        ("22", "Funding", AUTHORS),
    ]  # fmt: skip
    return pd.DataFrame([{"item": a, "asks_for": b, "answer": c} for a, b, c in rows], columns=COLUMNS)


def tripod_ai(result: AnalysisResult) -> pd.DataFrame:
    """TRIPOD+AI items with the run's answers; empty without classifiers."""
    if result.classification is None:
        return pd.DataFrame(columns=COLUMNS)
    settings, found = result.settings, result.classification
    row = found.table.iloc[-1]
    kind = "outer folds of whole sites" if row["n_sites"] > 1 else "folds of cases, one site"
    held = f"{row['folds']} {kind}"
    rows = [
        ("1-2", "Title and abstract", AUTHORS),
        ("3a", "Context and rationale", AUTHORS),
        ("3c", "Health inequalities", "Age and sex in Table 1; anything else: the authors."),
        ("4", "Objectives", "Development with internal-external validation by site."),
        ("5-6", "Source of data, participants", "Flow of cases; Table 1 by site; dates: the authors."),
        ("7", "Data preparation", "Median imputation and scaling learned in each training fold."),
        ("8", "Outcome", f"Severe impairment: motor outcome up to {settings.cut:.3f} of full function."),
        ("9", "Predictors", f"{row['features']}: {row['n_features']} columns; listed in importance.tsv."),
        ("10", "Sample size",
         f"{row['n']} cases, {row['n_severe']} severe; {row['events_per_variable']:.1f} for each feature."),
        ("11", "Missing data", "Missing-data table; imputed within folds."),
        ("12", "Analytical methods", f"{held}; settings and model chosen on inner folds (nested choice)."),
        ("13", "Class imbalance", "No resampling; the threshold is the share of severe cases in the training sites."),
        ("14", "Fairness", "AUC by site (classifier_sites.tsv); other groups: the authors."),
        ("15", "Model output", "Probability of severe impairment (classifier_predictions.tsv)."),
        ("16", "Training and evaluation differ", "By site only; external validation is still needed."),
        ("17", "Ethical approval", AUTHORS),
        ("18", "Funding, protocol, data and code",
         f"Seed {settings.seed}, settings: analysis.json; the rest: the authors."),
        ("19", "Patient and public involvement", AUTHORS),
        ("20", "Participants", "Flow of cases; Table 1."),
        ("21-22", "Model development and specification", "Models are judged, not stored or offered for use."),
        ("23", "Performance",
         f"AUC {row['auc']:.3f} (95 % interval from whole sites drawn anew: {row['site_boot_ci_low']:.3f} to "
         f"{row['site_boot_ci_high']:.3f}), "
         f"calibration in the large {row['calibration_in_the_large']:.2f}, slope {row['calibration_slope']:.2f}, Brier "
         f"{row['brier']:.3f}; decision curve."),
        ("24", "Model updating", "None."),
        ("25-27", "Interpretation, limitations, usability", "Research use only; the discussion is the authors'."),
    ]  # fmt: skip
    return pd.DataFrame([{"item": a, "asks_for": b, "answer": c} for a, b, c in rows], columns=COLUMNS)


def _size(result: AnalysisResult) -> str:
    checks = result.tables.get("model_checks")
    if checks is None or not len(checks):
        return "No sample size was planned by this software."
    middle = checks["smallest_detectable_std"].median()
    return f"Smallest effect found with 80 % power: {middle:.2f} SD per SD of log lesion volume (median of the models)."
