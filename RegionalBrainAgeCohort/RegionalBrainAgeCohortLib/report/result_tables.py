"""Writes result tables as TSV with a JSON sidecar that says what every column means."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
from RegionalBrainAgeLib.files.atomic_file import write_atomically
from RegionalBrainAgeLib.files.tables import cell

MISSING = "n/a"

_TEST = {
    "estimate": "Estimate: change of the outcome, in its own unit, per unit of the term, all other terms held equal.",
    "se": "Standard error.",
    "df": "Degrees of freedom, Satterthwaite (as R's lmerTest).",
    "t": "estimate / se.",
    "p": "Two-sided p-value, not corrected.",
    "ci_low": "Lower end of the 95 % confidence interval.",
    "ci_high": "Upper end of the 95 % confidence interval.",
    "std_beta": "Standardised coefficient: estimate x SD(term) / SD(outcome) over the cases used, 0/1 columns too.",
    "p_fdr": "p-value corrected within its family (Benjamini-Hochberg); the family is named in the report.",
    "n": "Cases used.",
    "n_sites": "Sites used.",
    "site_variance": "Variance between sites (random intercept), REML.",
    "residual_variance": "Variance within sites, REML.",
    "icc": "Share of the unexplained variance that lies between sites.",
    "status": "ok; singular (site variance is zero, as lme4's isSingular); constant (the column or the outcome never "
    "varies); rank deficient (the column cannot be told from others; estimates are those of the model without the "
    "columns named in note, as lme4 drops them); too few damaged (the load is not tested, note says why); no complete "
    "case; exact fit (the predictors make up the outcome: nothing is left to test against); failed (the variances have "
    "no estimate); not done (a whole analysis, note says why). A row without p was not tested: it is no null result.",
    "n_left_out": "Cases not used because a variable of this model is missing.",
    "note": "What else to know about this model.",
}
_DAMAGED = {"n_damaged": "Cases used with a load of at least 0.01 (1 % of the region or tract); n/a for no load."}
_LOADS = {
    **_DAMAGED,
    "unadjusted_estimate": "The load's coefficient in the same model without lesion volume, same cases.",
    "unadjusted_ci_low": "Lower end of its 95 % interval.",
    "unadjusted_ci_high": "Upper end of its 95 % interval.",
    "unadjusted_p": "Its two-sided p-value.",
    "unadjusted_p_fdr": "That p-value corrected over the unadjusted family.",
}
_SEM = {
    "lhs": "Variable on the left of the formula.",
    "op": "~ regression (arrow from rhs to lhs), ~~ (residual) variance or covariance, =~ loading, ~1 intercept, := "
    "defined. A text beginning with = carries an apostrophe, so that a spreadsheet does not run it.",
    "rhs": "Variable on the right of the formula; empty for an intercept.",
    "estimate": "Maximum-likelihood estimate in the variables' own units.",
    "se": "Standard error; 0 = fixed. The report says whether it is that of the expected information (observed with "
    "missing data), robust, or clustered by site.",
    "z": "estimate / se.",
    "p": "Two-sided p-value.",
    "ci_low": "Lower end of the 95 % interval, estimate - 1.96 se.",
    "ci_high": "Upper end of the 95 % interval, estimate + 1.96 se.",
    "std_all": "Standardised estimate (all variables scaled to SD 1; lavaan's std.all).",
    "std_se": "Delta-method standard error of std_all.",
    "boot_ci_low": "Lower end of the 95 % percentile bootstrap interval of estimate.",
    "boot_ci_high": "Upper end of it.",
    "std_boot_ci_low": "Lower end of the 95 % percentile bootstrap interval of std_all.",
    "std_boot_ci_high": "Upper end of it.",
    "label": "Label of the parameter in the model text.",
}
_FIT = {
    "measure": "Fit measure.",
    "value": "Its value.",
    "lavaan": "Name of the same measure in R's lavaan::fitMeasures.",
}
_AUC = "area under the ROC curve of the pooled held-out predictions"
MEANINGS: dict[str, dict[str, str]] = {
    "mixed_models": {
        "model": "volume: PAD ~ log(lesion volume) + covariates + (1|site); volume_days adds days_post_stroke.",
        "outcome": "PAD column.",
        "term": "intercept; log_lesion_volume: natural log of ml; age: years; sex_M: 1 male, 0 female; "
        "days_post_stroke: days; others: the column's name.",
        **_TEST,
    },
    "thickness_models": {
        "model": "volume: thickness ~ log(lesion volume) + covariates + (1|site); volume_days adds days_post_stroke.",
        "outcome": "Thickness column (mm): the plain cortex, on which PADs rest among other things.",
        "term": "As in mixed_models.",
        **_TEST,
    },
    "loads": {
        "model": "load: PAD ~ load + log(lesion volume) + covariates + (1|site); load_unadjusted: the same without "
        "lesion volume, where the table has none.",
        "outcome": "PAD column.",
        "load": "Lesion load column (fraction 0..1), one model each.",
        "term": "The load: its coefficient is the row.",
        **_TEST,
        **_LOADS,
    },
    "thickness_loads": {
        "model": "load: thickness ~ load + log(lesion volume) + covariates + (1|site); load_unadjusted: no volume.",
        "outcome": "Thickness column (mm).",
        "load": "Lesion load column (fraction 0..1), one model each.",
        "term": "The load: its coefficient is the row.",
        **_TEST,
        **_LOADS,
    },
    "group_differences": {
        "variable": "Variable compared between the motor groups.",
        "term": "group_mild: 1 mild, 0 severe; estimate = adjusted mean of mild minus severe.",
        **_TEST,
        "n_mild": "Mild cases used.",
        "n_severe": "Severe cases used.",
        "mean_mild": "Plain mean of the mild cases.",
        "mean_severe": "Plain mean of the severe cases.",
        **_DAMAGED,
        "predictor_rank": "Rank of the variable as a predictor in the best classifier (1 = largest drop of AUC when "
        "shuffled); n/a without classifiers.",
        "top_predictor": "true for the leading predictors.",
    },
    "classifiers": {
        "classifier": "Model; the baselines are plain logistic regressions. nested choice: in every outer fold the "
        "model of best inner AUC, so that nothing was chosen on the cases it is judged by.",
        "features": "Feature set.",
        "n_features": "Number of features.",
        "auc": f"AUC: {_AUC}; the positive class is severe.",
        "delong_ci_low": "Lower end of DeLong's 95 % interval.",
        "delong_ci_high": "Upper end of it.",
        "site_boot_ci_low": "Lower end of the 95 % interval when whole sites are drawn with replacement.",
        "site_boot_ci_high": "Upper end of it.",
        "balanced_accuracy": "Mean of sensitivity and specificity; a case is called severe when its probability "
        "exceeds the share of severe cases in the training sites.",
        "sensitivity": "Share of severe cases called severe.",
        "specificity": "Share of mild cases called mild.",
        "brier": "Brier score; 0 is best.",
        "calibration_in_the_large": "Intercept of the calibration line with slope 1, on the logit scale; 0 is ideal, "
        "above 0 risks are underestimated.",
        "calibration_slope": "Slope of the calibration line; 1 is ideal, below 1 too extreme predictions.",
        "auc_minus_baseline": "AUC minus the AUC of the baseline (age, sex, lesion volume) on the same cases.",
        "difference_ci_low": "Lower end of its 95 % interval, people of one site taken as alike.",
        "difference_ci_high": "Upper end of it.",
        "p_vs_baseline": "Test of that difference by whole sites (clustered DeLong test, t with sites - 1 degrees of "
        "freedom).",
        "p_vs_baseline_delong": "The same if all people were independent (paired DeLong test).",
        "n": "Cases.",
        "n_severe": "Severe cases.",
        "n_sites": "Sites.",
        "events_per_variable": "Cases of the smaller class for each feature; below 10 to 20 a plain model overfits.",
        "folds": "Outer folds of whole sites.",
        "settings": "Settings chosen in the inner folds, fold by fold without repeats.",
    },
    "importance": {
        "classifier": "Model.",
        "kind": "group (all columns of a kind), network (both sides of a network) or column.",
        "block": "Columns shuffled together among held-out people.",
        "auc_drop": f"Mean drop of AUC ({_AUC}) when the block is shuffled.",
        "sd": "SD over the shuffles.",
        "ci_low": "2.5 % quantile over the shuffles.",
        "ci_high": "97.5 % quantile over the shuffles.",
        "n_features": "Columns in the block.",
        "members": "Their names.",
    },
    "classifier_predictions": {
        "case_id": "Case.",
        "site": "Site.",
        "severe": "1 severe, 0 mild.",
        "fold": "Outer fold in which the case was held out; the other columns are probabilities of severe, by model.",
    },
    "classifier_sites": {
        "site": "Site; it was held out when its people were predicted.",
        "n": "Cases.",
        "n_severe": "Severe cases.",
        "classifier": "nested choice, or the baseline.",
        "auc": "AUC among the people of the site; n/a with one class only.",
        "ci_low": "Lower end of DeLong's 95 % interval; n/a with fewer than 5 cases of either class.",
        "ci_high": "Upper end of it.",
    },
    "decision_curve": {
        "threshold": "Probability above which a person is called severe.",
        "classifier": "Rule; calling nobody severe has a net benefit of 0.",
        "net_benefit": "True positives per person, less false positives per person at the odds of the threshold.",
    },
    "model_checks": {
        "outcome": "PAD or thickness column of the model of lesion volume.",
        "term": "log_lesion_volume: all columns are about its coefficient or the whole model.",
        "estimate": _TEST["estimate"],
        "se": "Standard error of the mixed model.",
        "n": "Cases used.",
        "n_sites": "Sites used.",
        "log_likelihood": "Restricted log likelihood of this software's exact fit.",
        "statsmodels_log_likelihood": "The same by statsmodels at the same estimates: a second opinion.",
        "gee_estimate": "Estimate by generalised estimating equations (exchangeable within sites).",
        "gee_se": "Its standard error, robust to the form of the site correlation (Mancl and DeRouen).",
        "gee_p": "Its p-value, t with sites - 1 degrees of freedom.",
        "vif": "Variance inflation factor of the term; above 5 to 10 it is hardly told from the covariates.",
        "largest_vif": "Largest variance inflation factor of the model.",
        "r2_marginal": "Share of the variance explained by the fixed effects.",
        "r2_conditional": "Share explained by fixed effects and sites.",
        "residual_skewness": "Skewness of the residuals; 0 for a normal distribution.",
        "residual_kurtosis": "Excess kurtosis of the residuals; 0 for a normal distribution.",
        "largest_cook": "Largest Cook's distance of a case; above 1 one case decides.",
        "largest_cook_case": "That case.",
        "estimate_without_it": "Estimate without that case, variances held.",
        "smallest_detectable": "Smallest effect found with 80 % power (two-sided p of 0.05), from the standard error.",
        "smallest_detectable_std": "The same in standard deviations.",
    },
    "adjusted_means": {
        "variable": "Load (fraction), PAD (years) or thickness (mm) that was compared between the motor groups.",
        "group": "mild or severe motor impairment.",
        "mean": "Expected value of the group for the average covariates of the cases used.",
        "se": "Its standard error.",
        "df": "Satterthwaite degrees of freedom.",
        "ci_low": "95 % interval, low end.",
        "ci_high": "95 % interval, high end.",
        "n": "Cases of the group in the model.",
    },
    "formula_models": {
        "outcome": "Outcome of the model.",
        "term": "Term of the formula, as patsy names it.",
        **{name: _TEST[name] for name in ("estimate", "se", "t", "p", "ci_low", "ci_high", "n")},
        "df": "Degrees of freedom (Satterthwaite); n/a for a z test.",
        "p_fdr": "p-value corrected over the outcomes of this term (Benjamini-Hochberg).",
        "log_likelihood": "Restricted log likelihood.",
        "test": "What t is: t with Satterthwaite degrees of freedom (one random intercept) or z.",
        "status": "ok, singular (a variance of about zero) or failed.",
        "note": "Why.",
    },
    "formula_variances": {
        "outcome": "Outcome of the model.",
        "group": "Grouping factor, or Residual.",
        "term": "Random effect; two with a colon are a covariance.",
        "variance": "Its variance, REML.",
        "groups": "Groups.",
    },
    "sem_paths": _SEM,
    "sem_fit": _FIT,
    "sem_reversed_paths": _SEM,
    "sem_reversed_fit": _FIT,
    "sem_thickness_paths": _SEM,
    "sem_thickness_fit": _FIT,
    "sem_r2": {"variable": "Dependent variable.", "r2": "Share of its variance that the model explains."},
    "sem_modification": {
        "lhs": "Variable on the left of what the model leaves out.",
        "op": "~ path from rhs to lhs, ~~ residual covariance.",
        "rhs": "Variable on the right.",
        "mi": "Modification index: fall of chi2 if this were freed alone.",
        "epc": "Expected value of the freed parameter.",
        "p": "p-value of mi (1 degree of freedom), not corrected: a model changed by it must be tested on other data.",
    },
    "sem_sensitivity": {
        "analysis": "What was changed; 'as reported' is the model of sem_paths.",
        **{name: _SEM[name] for name in ("lhs", "op", "rhs", "std_all", "p")},
        "ci_low": "95 % interval of std_all (delta method), low end.",
        "ci_high": "95 % interval of std_all, high end.",
        "n": "Cases used.",
        "note": "What else to know, or why there is no fit.",
    },
    "factor_scores": {
        "case_id": "Case; the other columns are its scores on the latent variables (semopy, MAP), about 0."
    },
    "sem_groups": {
        "group": "Group.",
        **{name: _SEM[name] for name in ("lhs", "op", "rhs", "estimate", "p")},
        "se": "Standard error, expected information.",
        "n": "Cases of the group.",
    },
    "sem_groups_test": {
        "groups": "Groups, with their cases.",
        "chi2_difference": "Likelihood-ratio test of equal paths in all groups.",
        "df": "Its degrees of freedom.",
        "p": "Its p-value; small means that at least one path differs.",
        "chi2_free": "Chi-square of the model with its own paths in every group.",
        "chi2_equal": "Chi-square of the model with the same paths in all groups.",
        "df_free": "Degrees of freedom of the former.",
        "df_equal": "Degrees of freedom of the latter.",
    },
    "table_one": {
        "variable": "Variable, with its level for a text.",
        "statistic": "What the cells hold: mean (SD), median (quartiles) of a skewed variable, or n (%).",
        "all": "All cases used.",
        "mild": "Mild motor impairment.",
        "severe": "Severe motor impairment.",
        "missing": "Cases without a value.",
        "standardised_difference": "Mild minus severe in units of the pooled SD.",
    },
    "table_one_sites": {
        "site": "Site.",
        "n": "Cases used.",
        "age_mean": "Mean age, years.",
        "age_sd": "SD of age, years.",
        "women_percent": "Women, percent of those with a known sex.",
        "lesion_volume_median_ml": "Median lesion volume, ml.",
        "n_severe": "Severe cases.",
        "n_mild": "Mild cases.",
    },
    "missing_data": {
        "variable": "Variable.",
        "missing": "Cases without a value.",
        "percent": "The same in percent of the cases used.",
        "percent_mild": "Percent among the mild cases.",
        "percent_severe": "Percent among the severe cases.",
    },
    "flow": {"step": "Step from the table's rows to an analysis.", "cases": "Cases; below zero those that left."},
    "sensitivity": {
        "analysis": "What was changed; 'as reported' is the main analysis.",
        "outcome": "Outcome of the model.",
        "term": "Term of the row: lesion volume, a lesion load, or mild minus severe.",
        **{name: _TEST[name] for name in ("estimate", "ci_low", "ci_high", "p", "std_beta", "n", "n_sites", "status")},
        "note": "What else to know.",
    },
    "strobe": {"item": "STROBE item.", "asks_for": "What it asks for.", "answer": "Where this run answers it."},
    "tripod_ai": {"item": "TRIPOD+AI item.", "asks_for": "What it asks for.", "answer": "Where this run answers it."},
    "data_check": {"level": "warning or note.", "finding": "What was found in the table."},
    "cases_left_out": {"case_id": "Case not used.", "reason": "Why."},
}


def text_of(value: object) -> str:
    """One cell: numbers in full precision, missing numbers n/a, text kept from being run by a spreadsheet."""
    if value is None:
        return MISSING
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.15g}" if math.isfinite(value) else MISSING
    if isinstance(value, int):
        return str(value)
    text = str(value)
    return cell(text) if text else ""


def tsv_text(table: pd.DataFrame) -> str:
    """`table` as tab-separated text with a header."""
    lines = ["\t".join(text_of(str(name)) for name in table.columns)]
    for row in table.itertuples(index=False, name=None):
        lines.append("\t".join(text_of(value) for value in row))
    return "\n".join(lines) + "\n"


def write_result(folder: Path, name: str, table: pd.DataFrame) -> list[Path]:
    """Write NAME.tsv and NAME.json; every column is described. Returns the two paths."""
    known = MEANINGS[name]
    named = "Score on the latent variable" if name == "factor_scores" else "Probability of severe,"
    described = {c: {"Description": known.get(c, f"{named} {c}.")} for c in table.columns}
    paths = [folder / f"{name}.tsv", folder / f"{name}.json"]
    write_atomically(paths[0], tsv_text(table))
    write_atomically(paths[1], json.dumps(described, indent=2) + "\n")
    return paths
