"""Runs the group analysis in a process of its own: ``PythonSlicer cohort_process.py cohort TABLE --out DIR``.

The first argument is a command of ``regional-brain-age``, or one of those this file adds for the cohort panel:

    cohort-check    read a table of cases and say what can be used, as one JSON line
    template        write the template's brain and its regions, for maps of coefficients
"""

from __future__ import annotations

import sys
from pathlib import Path

NEEDED_BY_COHORTS = {"sklearn": "scikit-learn", "statsmodels": "statsmodels", "semopy": "semopy"}


def main(arguments: list[str]) -> int:
    """Returns the exit code of the command."""
    root = Path(__file__).resolve().parent.parent
    # In a source tree the other module lies beside this one, installed both lie in one folder.
    sys.path[:1] = [str(root), str(root.parent / "RegionalBrainAge")]
    from RegionalBrainAgeSlicer.work.library_process import NEEDED_EVERYWHERE, run_command

    from RegionalBrainAgeCohortSlicer.cohort_runs import check_table, write_template

    own_commands = {"cohort-check": check_table, "template": write_template}
    return run_command(arguments, own_commands, NEEDED_EVERYWHERE | NEEDED_BY_COHORTS, {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
