"""``python -m RegionalBrainAgeCohortLib PROCESSED.csv --out DIR``: the command ``cohort`` on its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from RegionalBrainAgeLib.errors import RegionalBrainAgeError

from .cli import EPILOG, add_arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the analysis; an error becomes one sentence with a remedy on stderr. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m RegionalBrainAgeCohortLib",
        description="Group analysis of processed_cases.csv. Research use only. Not approved for clinical use.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    try:
        return args.func(args)
    except RegionalBrainAgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
