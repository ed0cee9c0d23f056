"""All choices of the cohort analysis in one place; every one of them is stated in the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from RegionalBrainAgeLib.errors import InputError

FAMILIES = ("mixed", "loads", "groups", "classifiers", "sem")
MISSING_CHOICES = ("auto", "listwise", "fiml")


@dataclass(frozen=True)
class Settings:
    """What the analysis does where the paper's own choice is not public.

    covariates : columns beside the predictor in every mixed model. group_covariates : of the group differences.
    severe_cut : motor outcome (0..1) up to which impairment is severe. motor_scale : highest score of the motor column.
    scheme : region scheme (TSV) for the brain maps; the shipped one when empty. sem_network : network of the default
    path model (the first of the table where it is absent). sem_model : lavaan text that replaces the default model.
    sem_missing : auto, listwise or fiml. sem_draws : bootstrap draws. sem_cluster : draw whole sites. folds,
    inner_folds : of the classifiers. families : which analyses to run.
    """

    covariates: tuple[str, ...] = ("age", "sex")
    group_covariates: tuple[str, ...] = ("age", "sex")
    severe_cut: float = 25 / 66
    motor_scale: float = 1.0
    include_uncalibrated: bool = False
    include_qc_failed: bool = False
    scheme: str = ""
    sem_network: str = "fpn"
    sem_model: str = ""
    sem_missing: str = "auto"
    sem_draws: int = 5000
    sem_cluster: bool = True
    folds: int = 5
    inner_folds: int = 4
    importance_repeats: int = 20
    auc_draws: int = 2000
    top_predictors: int = 10
    seed: int = 1
    families: tuple[str, ...] = FAMILIES

    def __post_init__(self) -> None:
        for name in ("covariates", "group_covariates", "families"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = sorted(set(self.families) - set(FAMILIES))
        checks = [
            (not unknown, f"There is no analysis '{', '.join(unknown)}'.", f"Choose among {', '.join(FAMILIES)}."),
            (bool(self.families), "No analysis was chosen.", f"Choose among {', '.join(FAMILIES)}."),
            (
                0 < self.severe_cut < 1,
                f"The motor cut is {self.severe_cut:g}.",
                "Give a number between 0 and 1, as 0.379 for 25 of 66.",
            ),
            (self.motor_scale > 0, f"The motor scale is {self.motor_scale:g}.", "Give the highest score, as 66."),
            (self.sem_draws >= 0, "The number of bootstrap draws is negative.", "Give 0 or more; 5000 is usual."),
            (self.folds >= 2 and self.inner_folds >= 2, "Cross-validation needs 2 folds.", "Give 2 or more."),
            (
                self.sem_missing in MISSING_CHOICES,
                f"Missing data cannot be treated as '{self.sem_missing}'.",
                f"Choose among {', '.join(MISSING_CHOICES)}.",
            ),
        ]
        for fine, what, remedy in checks:
            if not fine:
                raise InputError(what, remedy)

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Settings:
        """Settings from plain values; an unknown name is refused."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"Unknown setting {', '.join(unknown)}.", "See the manual for the settings' names.")
        return cls(**values)
