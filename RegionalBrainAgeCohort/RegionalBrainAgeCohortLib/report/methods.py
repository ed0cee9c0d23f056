"""The methods section of the report: every choice of this run in plain sentences, ready for a manuscript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from RegionalBrainAgeLib.files.wording import listed

from ..data.cases import reasons
from ..statistics.classifier_models import TREES, TREES_FOR_CHOICE
from .figure_style import words

if TYPE_CHECKING:
    from ..data.settings import Settings
    from ..result import AnalysisResult
    from ..sem.path_model import SemResult
    from ..statistics.classification import ClassificationResult


def direction(result: AnalysisResult) -> str:
    """What cross-sectional data cannot show, with the fit of the reversed model where there is one."""
    beside = ""
    if result.sem is not None and result.sem_reversed is not None:
        one, other = (
            f"χ²({fit.measure('df'):.0f}) = {fit.measure('chi2'):.1f}" for fit in (result.sem, result.sem_reversed)
        )
        beside = (
            f" The model fits with {one}, the model with the arrows of the motor outcome reversed with {other}: a "
            "better fit says that the correlations suit it better, not that its arrows point the right way."
        )
    return (
        "The data are cross-sectional: a path model does not show what causes what, whichever fits better."
        + beside
        + " Read the arrows as assumptions, not as findings."
    )


def methods(result: AnalysisResult) -> list[tuple[str, str]]:
    """Headings and paragraphs that state what was done, with the settings of this run."""
    settings, cohort, tables = result.settings, result.cohort, result.tables
    version = result.provenance.get("packages", {}).get("regional-brain-age", "")
    out = [
        (
            "Cases",
            f"{cohort.rows_read} cases were read from {cohort.source}; {len(cohort.data)} were used"
            + (f" and {len(cohort.left_out)} left out ({reasons(cohort.left_out)})" if len(cohort.left_out) else "")
            + ". PADs are age-bias-corrected predicted age differences in years of "
            f"{len(cohort.networks)} networks per hemisphere ({', '.join(n.upper() for n in cohort.networks)}), taken "
            "as ipsilesional and contralesional. Cases with a bilateral lesion or none have no such sides and are left "
            "out. "
            + ("Uncalibrated cases are included as asked. " if settings.include_uncalibrated else "")
            + ("Cases failing quality control are included as asked. " if settings.include_qc_failed else "")
            + "Every model uses the cases complete for its own variables.",
        )
    ]
    covariates = " + ".join(words(c).lower() if c != "sex" else "sex" for c in settings.covariates) or "1"
    if "mixed_models" in tables or "loads" in tables:
        out.append(
            (
                "Mixed models",
                "Linear mixed models with a random intercept for site were fitted by exact profiled REML; standard "
                "errors are s²(X'V⁻¹X)⁻¹, tests and 95 % intervals use t with Satterthwaite degrees of freedom, as R's "
                f"lmerTest. Lesion volume: PAD ~ log(lesion volume in ml) + {covariates} + (1 | site) (model volume), "
                "and the same with days since stroke (model volume_days). Lesion loads: one model for every pair, PAD "
                f"~ load + log(lesion volume) + {covariates} + (1 | site), for a large lesion damages many regions at "
                "once; the same without lesion volume stands beside as unadjusted. A load is tested where at least "
                f"{settings.min_damaged} cases and {100 * settings.min_damaged_share:g} % of those used have 1 % of "
                "the region or tract damaged. Age stays in although PADs are age-corrected (de Lange & Cole 2020). Sex "
                "is 1 for male. Standardised β = b × SD(x) / SD(y). P-values were corrected by Benjamini-Hochberg "
                "within families, over the tests that could be made: all PADs for each model and term, all load-PAD "
                "pairs together, all variables of the group differences together, thicknesses apart. Columns that "
                "others determine were dropped from the right, as lme4 does, and marked; a site variance of zero is "
                "marked singular. Beside every volume model stand statsmodels' likelihood at the same estimates, "
                "generalised estimating equations (bias-reduced, exchangeable within sites), variance inflation, R², "
                "influence and the smallest effect found with 80 % power (model_checks.tsv), and the same models with "
                "one choice changed at a time (sensitivity.tsv)."
                + (
                    " The same models were fitted to the regions' plain thickness (mm), corrected as families of their "
                    "own: PADs rest on that cortex, among other things."
                    if cohort.thicknesses
                    else " The table has no thicknesses, so PADs stand here without the baseline of plain thickness."
                ),
            )
        )
    if "group_differences" in tables:
        group = " + ".join(["group", *settings.group_covariates])
        out.append(
            (
                "Groups",
                "Motor outcome runs from 0 to 1 (1 = full function). Impairment is severe up to "
                f"{settings.cut:.4g}{_points(result)}, mild above; this cut is a setting. Adjusted mean differences "
                f"are mild minus severe from variable ~ {group} + (1 | site).",
            )
        )
    if result.classification is not None:
        out.append(("Classifiers", _classifiers(result.settings, result.classification)))
    if result.sem is not None:
        out.append(("Structural equation model", _sem(result, result.sem)))
    out.append(
        (
            "What these choices are",
            "Covariates, motor cut, list of classifiers and estimator are this software's stated defaults or the "
            "user's settings. The published study's own choices on these points are not public; nothing here should be "
            "read as what that paper did." + (f" Software: RegionalBrainAge {version}." if version else ""),
        )
    )
    return out


def _points(result: AnalysisResult) -> str:
    """The motor cut in the scale's own points."""
    settings = result.settings
    scale = settings.scale
    if scale is not None:
        points = settings.cut * scale.highest if scale.many_points_are_good else (1 - settings.cut) * scale.highest
        side = "at most" if scale.many_points_are_good else "at least"
        return f" ({scale.range_text()}: {side} {points:.3g} points)"
    highest = 66 if settings.motor_scale == 1 else settings.motor_scale
    return f" ({settings.cut * highest:.3g} of {highest:g} points)"


def _classifiers(settings: Settings, found: ClassificationResult) -> str:
    row = found.table.iloc[-1]
    sites = row["n_sites"]
    grouped = f"whole sites held out in {row['folds']} outer folds" if sites > 1 else "cases split at random (one site)"
    thickness = any("thickness" in name for name in found.table["features"])
    return (
        "Severe against mild impairment was predicted with elastic-net logistic regression, a radial support vector "
        f"machine (Platt-scaled on inner folds), a random forest of {TREES} trees ({TREES_FOR_CHOICE} while its "
        "setting was chosen) and gradient boosting from age, sex, log lesion volume, all loads and all PADs. Nested "
        f"cross-validation with {grouped} and up to {settings.inner_folds} "
        "inner folds of whole sites that chose the settings by AUC; median imputation and scaling were learned inside "
        "each fold. Baselines are plain logistic regressions: age, sex and lesion volume; the same with loads"
        + (
            "; age, sex and lesion volume with thickness; with loads and thickness. "
            if thickness
            else " (no thickness columns in the table). "
        )
        + "The AUC is that of the pooled held-out predictions with DeLong's interval and the interval of "
        f"{settings.auc_draws} draws of whole sites; differences from the baseline are tested with "
        "DeLong's paired test by whole sites (Obuchowski 1997; t with sites − 1 degrees of freedom). "
        "For balanced accuracy a case is called severe when its probability exceeds the share of severe cases in the "
        f"training sites. Importance is the drop of AUC when a block of columns is shuffled together among held-out "
        f"people ({settings.importance_repeats} shuffles). The headline is the nested choice: in every outer "
        "fold the model of best inner AUC predicts the held-out sites. Calibration is given in the large and as a "
        "slope, with a decision curve (net benefit)."
    )


def _sem(result: AnalysisResult, fit: SemResult) -> str:
    settings = result.settings
    chosen = settings.sem_model.strip()
    origin = {"": "this software's default path model", "published": "the published path model"}.get(
        chosen, "the user's path model"
    )
    plain = "observed" if fit.missing == "fiml" else "expected"
    errors = {
        "expected": f"standard errors from the {plain} information",
        "robust": "robust (sandwich, MLR) standard errors",
        "cluster": "robust standard errors clustered by site (sandwich)",
    }[fit.errors]
    missing = (
        f"full-information maximum likelihood; cases lacking an exogenous variable were left out; {errors}"
        if fit.missing == "fiml"
        else f"complete cases; {errors}"
    )
    drawn = {
        "sites": f"Bootstrap intervals are percentiles of {fit.draws} draws of whole sites. ",
        "cases": f"Bootstrap intervals are percentiles of {fit.draws} draws of cases. ",
        "": "There are no bootstrap intervals. ",
    }[fit.drawn]
    return (
        f"{origin[0].upper() + origin[1:]} was fitted by normal-theory maximum likelihood ({missing}), n = {fit.n}, "
        f"{fit.n_left_out} left out. Observed exogenous variables are fixed to their sample moments, as lavaan's "
        f"sem(). "
        "Estimates are given raw and standardised (all variables) with delta-method standard errors. "
        + drawn
        + "Fit: likelihood-ratio chi-square, CFI, TLI, RMSEA with 90 % interval, SRMR, AIC and BIC. "
        + f"Site is not a variable of the model{_by_site(fit)}. "
        + fit.opinion.sentence()
        + " "
        + ("The reversed model turns every path that leaves the motor outcome. " if result.sem_reversed else "")
        + ("The thickness model has each region's thickness in the place of its PAD. " if result.sem_thickness else "")
        + direction(result)
    )


def _by_site(fit: SemResult) -> str:
    """How site enters a path model that does not hold it, as the end of a sentence."""
    ways = ["the standard errors", "the scaled test"] if fit.errors == "cluster" else []
    if fit.drawn == "sites":
        ways.append("the bootstrap")
    return f"; it enters by {listed(ways)} only" if ways else " and enters in no other way"
