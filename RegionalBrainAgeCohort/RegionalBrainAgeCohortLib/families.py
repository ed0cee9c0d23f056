"""The families of analyses: what each one fits, and when it says instead why it cannot.

Every function takes the result so far and adds its tables. One that cannot be done raises `InputError`; one of which no
model could be fitted keeps its table, with a status in every row, and counts as not done.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import Cancelled, InputError, RegionalBrainAgeError

from .data.cohort_table import Cohort
from .result import AnalysisResult, leading, tested, untested_reasons
from .sem import path_model as sem
from .sem.groups import compare_groups
from .sem.language import parse_model
from .sem.model_texts import default_model, published_model, reverse_model, thickness_model
from .sem.sensitivity import path_sensitivity
from .statistics import classification, descriptives, mixed_models, model_checks
from .statistics.adjusted_means import adjusted_means
from .statistics.formula_models import formula_models
from .statistics.residuals import volume_model_residuals
from .statistics.sensitivity import sensitivity

Tell = Callable[[float], None]
TITLES = {
    "mixed": "Lesion volume and PAD",
    "formula": "Model of your own formula",
    "loads": "Lesion loads and PAD",
    "groups": "Group differences",
    "sem": "Structural equation model",
    "classifiers": "Classifiers",
    "sensitivity": "Sensitivity",
    "participants": "Participants",
}


def mixed(result: AnalysisResult, tell: Tell) -> None:
    """Lesion volume against every PAD, and every thickness."""
    cohort, data = result.cohort, result.cohort.data
    _need_outcomes(cohort)
    if "log_lesion_volume" not in data.columns or not data["log_lesion_volume"].notna().any():
        raise InputError("There is no lesion volume above zero.", "Fill the column lesion_volume_ml.")
    covariates = result.settings.covariates
    if cohort.pads:
        result.tables["mixed_models"] = mixed_models.volume_models(data, cohort.pads, covariates, tell)
    if cohort.thicknesses:
        result.tables["thickness_models"] = mixed_models.volume_models(data, cohort.thicknesses, covariates)
    _need_fits(result, "mixed_models", "thickness_models")
    result.tables["model_checks"] = model_checks.check_models(data, [*cohort.pads, *cohort.thicknesses], covariates)
    surest = result.tables["mixed_models" if cohort.pads else "thickness_models"]
    surest = tested(surest[(surest["model"] == "volume") & (surest["term"] == mixed_models.LOG_VOLUME)])
    if len(surest):
        result.residuals = volume_model_residuals(data, surest.loc[surest["p"].idxmin(), "outcome"], covariates)


def own_formula(result: AnalysisResult, tell: Tell) -> None:
    """The user's own mixed model of every PAD (of every thickness, where there is no PAD)."""
    cohort, settings = result.cohort, result.settings
    _need_outcomes(cohort)
    fixed = settings.formula.strip() or " + ".join(["log_lesion_volume", *settings.covariates])
    result.tables["formula_models"], result.tables["formula_variances"] = formula_models(
        cohort.data, cohort.pads or cohort.thicknesses, fixed, settings.random, tell
    )
    _need_fits(result, "formula_models")


def loads(result: AnalysisResult, tell: Tell) -> None:
    """Every lesion load against every PAD, and every thickness."""
    cohort, settings = result.cohort, result.settings
    _need_outcomes(cohort)
    if not cohort.loads:
        raise InputError(
            "There is no lesion load.", "Give columns load_ipsi_<network>, load_contra_<network>, load_cst."
        )
    kinds = {"loads": cohort.pads, "thickness_loads": cohort.thicknesses}
    for number, (name, outcomes) in enumerate(kinds.items()):
        if outcomes:

            def tell_half(fraction: float, number: int = number) -> None:
                tell((number + fraction) / 2)

            result.tables[name] = mixed_models.load_models(
                cohort.data, outcomes, cohort.loads, settings.covariates, _overlap(result), tell_half
            )
    _need_fits(result, "loads", "thickness_loads")


def groups(result: AnalysisResult, tell: Tell) -> None:
    """Every load, PAD and thickness between mild and severe impairment."""
    cohort = result.cohort
    _need_classes(cohort.data)
    variables = [*cohort.loads, *cohort.pads, *cohort.thicknesses]
    result.tables["group_differences"] = mixed_models.group_differences(
        cohort.data, variables, result.settings.group_covariates, _overlap(result), tell
    )
    _need_fits(result, "group_differences")
    compared = tested(result.tables["group_differences"])["variable"].tolist()
    result.tables["adjusted_means"] = adjusted_means(cohort.data, compared, result.settings.group_covariates)


def classifiers(result: AnalysisResult, tell: Tell) -> None:
    """Severe against mild impairment, predicted at sites never seen."""
    settings, data = result.settings, _comparable(result)
    _need_classes(data)
    found = classification.classify(
        data,
        folds=settings.folds,
        inner_folds=settings.inner_folds,
        repeats=settings.importance_repeats,
        draws=settings.auc_draws,
        seed=settings.seed,
        threads=settings.threads,
        progress=tell,
    )
    result.classification = found
    result.tables["classifiers"] = found.table
    result.tables["importance"] = found.importance
    result.tables["classifier_predictions"] = found.predictions
    result.tables["classifier_sites"] = found.by_site
    result.tables["decision_curve"] = found.decisions


def path_models(result: AnalysisResult, tell: Tell) -> None:
    """The path model, the model with every path out of the motor outcome turned round, and the one of thickness."""
    settings, cohort = result.settings, result.cohort
    data = _comparable(result)
    text = _model_text(result, data)
    sites = data["site"].nunique()
    cluster = "site" if settings.sem_cluster and sites > 1 else None
    if settings.sem_cluster and cluster is None and settings.sem_draws:
        result.sem_notes.append("There is one site: the bootstrap draws cases instead of sites.")
    elif cluster and sites < 10 and settings.sem_draws:
        result.sem_notes.append(f"Only {sites} sites are drawn by the bootstrap: its intervals are rough.")
    errors = settings.sem_errors
    if errors == "auto":
        errors = "cluster" if cluster else "robust"
    if cluster or errors == "cluster":
        data = data[data["site"].notna()]
    _refuse_ordinal(result, text)

    def fit(model: str, begin: float, share: float) -> sem.SemResult:
        return sem.fit_sem(
            model, data, missing=settings.sem_missing, errors=errors, draws=settings.sem_draws,
            cluster="site" if cluster or errors == "cluster" else None, seed=settings.seed, engine=settings.sem_engine,
            progress=lambda fraction: tell(begin + share * fraction),
        )  # fmt: skip

    def also(name: str, model: str, begin: float, share: float) -> sem.SemResult | None:
        try:
            found = fit(model, begin, share)
        except Cancelled:
            raise
        except (RegionalBrainAgeError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            result.sem_notes.append(f"The {name} model could not be fitted: {error}")
            return None
        result.tables[f"sem_{name}_paths"], result.tables[f"sem_{name}_fit"] = found.paths, found.fit
        return found

    result.sem = fit(text, 0.0, 0.4)
    result.tables["sem_paths"], result.tables["sem_fit"] = result.sem.paths, result.sem.fit
    result.tables["sem_r2"] = result.sem.r2
    if len(result.sem.modification):
        result.tables["sem_modification"] = result.sem.modification
    if result.sem.scores is not None:
        result.tables["factor_scores"] = data.loc[result.sem.scores.index, ["case_id"]].join(result.sem.scores)
    others = {}
    if not settings.sem_model.strip():
        others["published chain"] = published_model(_network(result, told=False))
    result.tables["sem_sensitivity"] = path_sensitivity(result.sem, data, "site" if cluster else None, others)
    turned, plain = reverse_model(text), thickness_model(text, cohort.thicknesses)
    if turned is None:
        result.sem_notes.append(
            "No path leaves motor (or turning one makes a loop): there is no reversed model to show."
        )
    else:
        result.sem_reversed = also("reversed", turned, 0.4, 0.3)
    if plain is not None:
        result.sem_thickness = also("thickness", plain, 0.7, 0.3)
    if settings.sem_groups:
        try:
            within = _model_text(result, data, without=("sex_M",) if settings.sem_groups in ("sex", "sex_M") else ())
            tables = compare_groups(within, data, settings.sem_groups, settings.sem_missing)
            result.tables["sem_groups"], result.tables["sem_groups_test"] = tables
        except (RegionalBrainAgeError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            result.sem_notes.append(f"The groups of {settings.sem_groups} could not be compared: {error}")


def sensitivity_table(result: AnalysisResult, tell: Tell) -> None:
    """Lesion volume, and the surest group differences and loads, under other choices, one at a time."""
    cohort, settings, tables = result.cohort, result.settings, result.tables
    outcomes = cohort.pads or cohort.thicknesses
    if TITLES["mixed"] in result.skipped or not outcomes:
        raise InputError("The models of lesion volume were not fitted.", "See why above.")
    volume, group = mixed_models.LOG_VOLUME, mixed_models.GROUP_TERM
    asked = [(outcome, [volume, *settings.covariates]) for outcome in outcomes]
    if "group_differences" in tables:
        asked += [
            (name, [group, *(c for c in settings.group_covariates if c != name)])
            for name in _surest(tables["group_differences"])["variable"]
        ]
    pairs = tables.get("loads", tables.get("thickness_loads"))
    if pairs is not None:
        asked += [(row.outcome, [row.load, volume, *settings.covariates]) for row in _surest(pairs).itertuples()]
    questions = [mixed_models.Question(outcome, list(dict.fromkeys(predictors))) for outcome, predictors in asked]
    tables["sensitivity"] = sensitivity(cohort.data, questions, settings.cut, settings.seed, tell)


def _surest(table: pd.DataFrame, most: int = 10) -> pd.DataFrame:
    """The rows of corrected p below 0.05, strongest first and `most` at most; the strongest one where there is none."""
    done = tested(table)
    found = leading(done)
    return found[:most] if len(found) else done.loc[done["p"].sort_values().index[:1]]


def participants(result: AnalysisResult, tell: Tell) -> None:
    """Table 1, sites, missing data and the flow of cases."""
    cohort, data = result.cohort, result.cohort.data
    basic = ["age", "sex", "lesion_side", "days_post_stroke", "lesion_volume_ml", "motor", "load_cst"]
    basic += [*result.settings.covariates, *result.settings.group_covariates]
    described = [name for name in dict.fromkeys(basic) if name in data.columns and name != "log_lesion_volume"]
    result.tables["table_one"] = descriptives.table_one(data, described)
    result.tables["table_one_sites"] = descriptives.table_by_site(data)
    measured = [*described, "site", *cohort.loads, *cohort.pads, *cohort.thicknesses]
    result.tables["missing_data"] = descriptives.missing_data(data, list(dict.fromkeys(measured)))
    result.tables["flow"] = _flow(result)


def _flow(result: AnalysisResult) -> pd.DataFrame:
    cohort, tables = result.cohort, result.tables
    steps: list[tuple[str, int | str]] = [("rows of the table", cohort.rows_read)]
    steps += [(f"left out: {why}", -n) for why, n in cohort.left_out["reason"].value_counts().items()]
    steps += [("cases used", len(cohort.data)), ("with a site", int(cohort.data["site"].notna().sum()))]
    if "severe" in cohort.data.columns:
        steps.append(("with a motor outcome", int(cohort.data["severe"].notna().sum())))
    for name, title in (("mixed_models", "models of lesion volume"), ("loads", "models of loads")):
        if name in tables and len(tested(tables[name])):
            n = tested(tables[name])["n"]
            steps.append((f"{title}: fewest to most", f"{int(n.min())} to {int(n.max())}"))
    if result.classification is not None:
        steps.append(("classifiers", len(result.classification.predictions)))
    if result.sem is not None:
        steps.append(("path model", result.sem.n))
    return pd.DataFrame([{"step": step, "cases": str(n)} for step, n in steps])


STEPS: dict[str, Callable[[AnalysisResult, Tell], None]] = {
    "mixed": mixed, "formula": own_formula, "loads": loads, "groups": groups, "sem": path_models,
    "classifiers": classifiers, "sensitivity": sensitivity_table, "participants": participants,
}  # fmt: skip


# ---- what an analysis needs ------------------------------------------------------------------------------------------
def _overlap(result: AnalysisResult) -> mixed_models.Overlap:
    return mixed_models.Overlap(result.settings.min_damaged, result.settings.min_damaged_share)


def _comparable(result: AnalysisResult) -> pd.DataFrame:
    """Cases whose PADs can be compared where a model has no site effect."""
    data = result.cohort.comparable
    if data.empty:
        raise InputError(
            "No case was calibrated to its scanner, and this analysis has no site effect that could take the scanner's "
            "offset.",
            "Calibrate (regional-brain-age calibrate), or use the cases as they are with the setting "
            "include_uncalibrated.",
        )
    return data


def _need_outcomes(cohort: Cohort) -> None:
    if not cohort.pads and not cohort.thicknesses:
        raise InputError("There is no PAD and no thickness.", "Give columns pad_ipsi_<network>, pad_contra_<network>.")


def _need_classes(data: pd.DataFrame) -> None:
    if "severe" not in data.columns or not data["severe"].notna().any():
        raise InputError(
            "There is no motor outcome.", "Fill the column motor (0 to 1), or name its scale in the setting motor."
        )
    if data["severe"].nunique() < 2:
        raise InputError("All cases are of one motor class.", "Change the motor cut, or add cases of the other class.")


def _need_fits(result: AnalysisResult, *names: str) -> None:
    """Refuse to call an analysis done when none of its models could be fitted; the tables stay, with every status."""
    tables = [result.tables[name] for name in names if name in result.tables]
    if not any(len(tested(table)) for table in tables):
        raise InputError(
            f"None of {sum(map(len, tables))} coefficients could be estimated: {untested_reasons(pd.concat(tables))}.",
            "The status and note of every row say why.",
        )


def _refuse_ordinal(result: AnalysisResult, text: str) -> None:
    """Maximum likelihood takes outcomes as continuous: a motor outcome of a few grades is not."""
    levels = result.cohort.motor_levels
    if levels and any(p.op in ("~", "=~") and "motor" in (p.lhs, p.rhs) for p in parse_model(text).parameters):
        scale = result.settings.scale
        name = scale.title if scale else "motor outcome"
        raise InputError(
            f"The {name} has {levels} ordered grades, and the path model takes its variables as continuous: its "
            "estimates and tests would be wrong.",
            "Use an outcome of many points (Fugl-Meyer, ARAT, NIHSS) or a path model without the motor outcome; group "
            "differences and classifiers use the grades as two classes and are not affected.",
        )


def _model_text(result: AnalysisResult, data: pd.DataFrame, without: tuple[str, ...] = ()) -> str:
    """The path model asked for: the user's, the published chain, or the default (without the covariates `without`)."""
    settings = result.settings
    text = settings.sem_model.strip()
    if text in ("", "published") and not result.cohort.pads:
        raise InputError(
            "There is no PAD, and this path model is about PADs.",
            "Give columns pad_ipsi_<network>, pad_contra_<network>, or a path model of your own.",
        )
    if text == "published":
        return published_model(_network(result))
    if text:
        return text
    varying = [name for name in ("age", "sex_M") if data[name].nunique() > 1]
    if without:
        return default_model(_network(result), [name for name in varying if name not in without])
    if len(varying) < 2:
        result.sem_notes.append("Age or sex is the same in every case: the path model does without it.")
    return default_model(_network(result), varying)


def _network(result: AnalysisResult, told: bool = True) -> str:
    """The network of the default path model, or the first of the table where that one is absent; a note says so."""
    wanted, known = result.settings.sem_network, result.cohort.networks
    if wanted in known or not told:
        return wanted if wanted in known else known[0]
    result.sem_notes.append(f"The table has no network '{wanted}'; the path model uses '{known[0]}'.")
    return known[0]
