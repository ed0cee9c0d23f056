"""All choices of the cohort analysis in one place; every one of them is stated in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any

from RegionalBrainAgeLib.errors import InputError

from .motor_scales import SCALES, MotorScale

FAMILIES = ("mixed", "loads", "groups", "classifiers", "sem")
MISSING_CHOICES = ("auto", "listwise", "fiml")
ERROR_CHOICES = ("auto", "expected", "robust", "cluster")
ENGINES = ("own", "semopy")


@dataclass(frozen=True)
class Settings:
    """What the analysis does where the paper's own choice is not public.

    covariates : columns beside the predictor in every mixed model. group_covariates : of the group differences.
    min_damaged, min_damaged_share : cases (number, and share of those used) that must carry a lesion load before it is
    tested. formula : fixed effects of an own mixed model (patsy). random : its random effects, as lme4 writes them.
    motor : name of the motor scale (`motor_scales.SCALES`); empty for a column that is 0..1 already, or that
    `motor_scale`, its highest score, divides. severe_cut : outcome (0..1, 1 = full function) up to which impairment is
    severe; None is the scale's own. scheme : region scheme (TSV) for the brain maps; the shipped one when empty.
    sem_network : network of the default path model (the first of the table where it is absent). sem_model : lavaan
    text that replaces the default model, or ``published``. sem_missing : auto, listwise or fiml. sem_errors : standard
    errors of the path model: expected (or observed) information, robust (MLR), cluster (whole sites), or auto: cluster
    where there are several sites, otherwise robust. sem_groups : column of groups to compare. sem_engine : own, or
    semopy started from our solution. sem_draws : bootstrap draws. sem_cluster : draw whole sites. folds, inner_folds :
    of the classifiers. threads : cores for the classifiers; the numbers do not depend on it. families : which analyses.
    """

    covariates: tuple[str, ...] = ("age", "sex")
    group_covariates: tuple[str, ...] = ("age", "sex")
    min_damaged: int = 10
    min_damaged_share: float = 0.05
    formula: str = ""
    random: str = ""
    motor: str = ""
    severe_cut: float | None = None
    motor_scale: float = 1.0
    include_uncalibrated: bool = False
    include_qc_failed: bool = False
    scheme: str = ""
    sem_network: str = "fpn"
    sem_model: str = ""
    sem_missing: str = "auto"
    sem_errors: str = "auto"
    sem_groups: str = ""
    sem_engine: str = "own"
    sem_draws: int = 5000
    sem_cluster: bool = True
    folds: int = 5
    inner_folds: int = 4
    importance_repeats: int = 20
    auc_draws: int = 2000
    top_predictors: int = 10
    seed: int = 1
    threads: int = 1
    families: tuple[str, ...] = FAMILIES

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _of_type(field.name, str(field.type), getattr(self, field.name)))
        unknown = sorted(set(self.families) - set(FAMILIES))
        cut, share = self.severe_cut, self.min_damaged_share
        checks = [
            (not unknown, f"There is no analysis '{', '.join(unknown)}'.", f"Choose among {', '.join(FAMILIES)}."),
            (bool(self.families), "No analysis was chosen.", f"Choose among {', '.join(FAMILIES)}."),
            (
                cut is None or 0 < cut < 1,
                f"The motor cut is {cut}.",
                "Give a number between 0 and 1 of full function, as 0.379 for 25 of 66.",
            ),
            (self.motor_scale > 0, f"The motor scale is {self.motor_scale:g}.", "Give the highest score, as 66."),
            (
                self.motor in ("", *SCALES),
                f"There is no motor scale '{self.motor}'.",
                f"Choose among {', '.join(SCALES)}, or give the highest score (motor_scale).",
            ),
            (
                not self.motor or self.motor_scale == 1,
                "A motor scale was given by its name and by its highest score.",
                "Give one of the two.",
            ),
            (self.min_damaged >= 0, "The number of damaged cases is negative.", "Give 0 or more."),
            (0 <= share < 1, f"The share of damaged cases is {share:g}.", "Give a number from 0 to 1, as 0.05."),
            (self.sem_draws >= 0, "The number of bootstrap draws is negative.", "Give 0 or more; 5000 is usual."),
            (self.folds >= 2 and self.inner_folds >= 2, "Cross-validation needs 2 folds.", "Give 2 or more."),
            (self.threads >= 1, "The analysis needs one thread.", "Give 1 or more."),
            *(
                (value <= most, f"The setting {name} is {value}.", f"Give {most} or less.")
                for name, value, most in (
                    ("sem_draws", self.sem_draws, 1_000_000),
                    ("auc_draws", self.auc_draws, 1_000_000),
                    ("importance_repeats", self.importance_repeats, 10_000),
                    ("folds", max(self.folds, self.inner_folds), 1000),
                    ("threads", self.threads, 1024),
                )
            ),
            (0 <= self.seed < 2**32, f"The seed is {self.seed}.", "Give a whole number from 0 to 4294967295."),
            (
                min(self.importance_repeats, self.auc_draws) >= 1,
                "Repeats and draws must be positive.",
                "Give 1 or more.",
            ),
            *(
                (value in choices, f"The setting {name} is '{value}'.", f"Choose among {', '.join(choices)}.")
                for name, value, choices in (
                    ("sem_missing", self.sem_missing, MISSING_CHOICES),
                    ("sem_errors", self.sem_errors, ERROR_CHOICES),
                    ("sem_engine", self.sem_engine, ENGINES),
                )
            ),
        ]
        for fine, what, remedy in checks:
            if not fine:
                raise InputError(what, remedy)

    @property
    def scale(self) -> MotorScale | None:
        """The named motor scale; None where the column is given as 0..1 or with its highest score."""
        return SCALES.get(self.motor)

    @property
    def cut(self) -> float:
        """Motor outcome (0..1, 1 = full function) up to which impairment is severe."""
        if self.severe_cut is not None:
            return self.severe_cut
        return (self.scale or SCALES["fm"]).severe_cut

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from plain values; an unknown name is refused."""
        if not isinstance(values, Mapping):
            raise InputError(f"The settings are {values!r}.", "Give names and their values.")
        known = [field.name for field in fields(cls)]
        unknown = sorted(str(name) for name in set(values) - set(known))
        if unknown:
            raise InputError(f"Unknown setting {', '.join(unknown)}.", f"The settings are {', '.join(known)}.")
        return cls(**values)


def _of_type(name: str, kind: str, value: Any) -> Any:
    """`value` as the type the setting is declared with; refused with its name where it is another one."""
    number = isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)
    texts = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    fits = {
        "tuple[str, ...]": texts,
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": number and value == int(value),
        "float": number,
        "float | None": value is None or number,
    }[kind]
    if not fits:
        wanted = {"tuple[str, ...]": "a list of texts", "str": "text", "bool": "true or false", "int": "a whole number"}
        raise InputError(f"The setting {name} is {value!r}.", f"Give {wanted.get(kind, 'a number')}.")
    if value is None:
        return None
    # NumPy's numbers cannot be written as JSON.
    plain = {"tuple[str, ...]": tuple, "str": str, "bool": bool, "int": int}
    return plain.get(kind, float)(value)


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
