"""``regional-brain-age``: the command line. Each package brings its commands; here errors become sentences."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence

from RegionalBrainAgeCohortLib import cli as cohort_commands
from RegionalBrainAgeLib import __version__
from RegionalBrainAgeLib.age import cli as age_commands
from RegionalBrainAgeLib.batch import cli as batch_commands
from RegionalBrainAgeLib.case import cli as case_commands
from RegionalBrainAgeLib.errors import Cancelled, RegionalBrainAgeError
from RegionalBrainAgeLib.files.wording import RESEARCH_USE

# Each has add_parsers(subparsers) and imports what is heavy inside its functions, so that --help is quick.
COMMANDS = (case_commands, batch_commands, age_commands, cohort_commands)


def build_parser() -> argparse.ArgumentParser:
    """The parser with the commands of every package."""
    parser = argparse.ArgumentParser(
        prog="regional-brain-age",
        description="Brain age of functional regions from a T1-weighted MRI with a stroke lesion.",
        epilog=f"{RESEARCH_USE} Exit codes: 0 ok, 1 failure, 2 bad usage or input, 3 case(s) failed.",
    )
    parser.add_argument("--version", action="version", version=f"regional-brain-age {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for commands in COMMANDS:
        commands.add_parsers(subparsers)
    for subparser in subparsers.choices.values():
        subparser.add_argument("--debug", action="store_true", help="show where in the program an error arose")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors become one sentence with a remedy on stderr. Returns the exit code."""
    args = build_parser().parse_args(argv)
    if not args.debug:
        warnings.simplefilter("ignore")  # what libraries tell programmers is no message for users
    # SIGTERM is handled like Ctrl-C, so that temporary files are removed.
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
        signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        return args.func(args)
    except KeyboardInterrupt:
        return _tell(Cancelled("Cancelled.", "No result was written for the case in progress."), args.debug)
    except RegionalBrainAgeError as error:
        return _tell(error, args.debug)
    except MemoryError:
        return _tell(RegionalBrainAgeError("The memory is used up.", "Close other programs and try again."), args.debug)
    except ModuleNotFoundError as error:
        what = f"The Python package '{error.name}' is missing from this installation."
        return _tell(RegionalBrainAgeError(what, "Install again with: pip install regional-brain-age"), args.debug)
    except OSError as error:
        return _tell(_from_system(error), args.debug)
    except Exception as error:  # top-level handler: a user never sees a traceback unasked
        what = f"An unexpected fault occurred: {type(error).__name__}: {error}."
        return _tell(RegionalBrainAgeError(what, "Run again with --debug and report the output."), args.debug)


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _from_system(error: OSError) -> RegionalBrainAgeError:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RegionalBrainAgeError(f"The disk is full{place}.", "Free some space or choose another --out.")
    return RegionalBrainAgeError(
        f"The system refused: {error.strerror or error}{place}.", "Check path and permissions."
    )


def _tell(error: RegionalBrainAgeError, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
