"""What the methods section says of a run is what the run did."""

from __future__ import annotations

import pytest
from RegionalBrainAgeCohortLib.analysis import analyse
from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeCohortLib.report.methods import methods
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort


def of_path_model(tmp_path, calibrated_sites: int = 4, **settings) -> str:
    """The paragraph on the path model of 160 made-up cases of four sites, some of which were calibrated."""
    rows = simulate_cohort(160, 4, 4)
    calibrated = sorted({row["site"] for row in rows})[:calibrated_sites]
    write_cohort([row | {"calibrated": row["site"] in calibrated} for row in rows], tmp_path / "cohort.csv")
    chosen = Settings(families=("sem",), **settings)
    result = analyse(read_cohort(tmp_path / "cohort.csv", chosen), chosen, lambda step, fraction: None)
    return dict(methods(result))["Structural equation model"]


@pytest.mark.parametrize(
    ("settings", "drawn", "site"),
    [
        ({"sem_draws": 20}, "draws of whole sites.", "by the standard errors, the scaled test and the bootstrap only."),
        ({"sem_draws": 0}, "no bootstrap intervals.", "by the standard errors and the scaled test only."),
        ({"sem_draws": 20, "sem_errors": "robust"}, "draws of whole sites.", "by the bootstrap only."),
        ({"sem_draws": 0, "sem_errors": "robust"}, "no bootstrap intervals.", "and enters in no other way."),
        ({"sem_draws": 20, "sem_cluster": False}, "draws of cases.", "and enters in no other way."),
        ({"sem_draws": 20, "calibrated_sites": 1}, "draws of cases.", "and enters in no other way."),
    ],
)
def test_what_was_drawn_and_where_site_enters_is_what_was_done(tmp_path, settings, drawn, site):
    text = of_path_model(tmp_path, **settings)
    assert drawn in text
    assert site in text
    assert text.count("draws of") == (1 if settings["sem_draws"] else 0)
