"""``regional-brain-age``: the command line. Each package brings its commands; here errors become sentences."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any

from RegionalBrainAgeCohortLib import cli as cohort_commands
from RegionalBrainAgeLib.age import cli as age_commands
from RegionalBrainAgeLib.batch import cli as batch_commands
from RegionalBrainAgeLib.build import version_and_build
from RegionalBrainAgeLib.case import cli as case_commands
from RegionalBrainAgeLib.errors import Cancelled, RegionalBrainAgeError
from RegionalBrainAgeLib.files.wording import RESEARCH_USE
from RegionalBrainAgeLib.progress import LOG
from RegionalBrainAgeLib.structures import cli as structure_commands

from . import bids_app
from .common_options import add_common_options, messages, words_from_config

EXIT_CODES = "Exit codes: 0 ok, 1 failure, 2 bad usage or input, 3 case(s) failed."
# Each has add_parsers(subparsers) and imports what is heavy inside its functions, so that --help is quick.
COMMANDS = (case_commands, batch_commands, age_commands, structure_commands, cohort_commands)


def build_parser() -> argparse.ArgumentParser:
    """The parser with the commands of every package."""
    return _parser_and_commands()[0]


def _parser_and_commands() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="regional-brain-age",
        description="Brain age of functional regions from a T1-weighted MRI with a stroke lesion.",
        epilog=f"As a BIDS-App: {bids_app.USAGE}\n\n{EXIT_CODES}\n{RESEARCH_USE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_ShowVersion, help="show version and build, and exit")
    parser.add_argument("--print-completion", action=_PrintCompletion, help="shell completion: see docs")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for commands in COMMANDS:
        commands.add_parsers(subparsers)
    for subparser in subparsers.choices.values():
        add_common_options(subparser)
    return parser, subparsers.choices


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors become one sentence with a remedy on stderr. Returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    # SIGTERM is handled like Ctrl-C, so that temporary files are removed.
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
        signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        args = parse(argv)
        if not args.debug:
            warnings.simplefilter("ignore")  # what libraries tell programmers is no message for users
        with messages(args):
            return _run(args, argv)
    except RegionalBrainAgeError as error:  # before messages go where they should
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Arguments of a command, or of the call as a BIDS-App.

    Raises
    ------
    InputError : ``--config`` names a file that cannot be used.
    """
    parser, commands = _parser_and_commands()
    tables = {**commands, "bids": bids_app.build_parser()}
    if bids_app.is_bids_app_call(argv, commands):
        return tables["bids"].parse_args([*argv, *words_from_config(argv, tables, "bids")])
    more = words_from_config(argv, tables, argv[0]) if argv and argv[0] in commands else []
    return parser.parse_args([*argv, *more])


def _run(args: argparse.Namespace, argv: Sequence[str]) -> int:
    if args.verbose or args.log_file is not None:
        said = {"file_only": not args.verbose}
        LOG.debug("regional-brain-age %s", version_and_build(), extra=said)
        LOG.debug("Called with: %s", " ".join(argv), extra=said)
    try:
        code = args.func(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read the output has seen enough (as `| head`); the results are on the disk
        _discard_output()
        return 0
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


class _ShowVersion(argparse.Action):
    """``--version``: computed only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **other: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **other)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{parser.prog} {version_and_build()}")
        parser.exit()


class _PrintCompletion(argparse.Action):
    """``--print-completion SHELL``: a script that completes commands, options and file names."""

    def __init__(self, option_strings: Sequence[str], dest: str, **other: Any) -> None:
        super().__init__(option_strings, dest, choices=("bash", "zsh", "tcsh"), **other)

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, *__: object) -> None:
        import shtab

        print(shtab.complete(parser, shell))
        parser.exit()


def _discard_output() -> None:
    """Let the interpreter's last flush go nowhere instead of failing once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _from_system(error: OSError) -> RegionalBrainAgeError:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RegionalBrainAgeError(f"The disk is full{place}.", "Free some space or choose another output folder.")
    return RegionalBrainAgeError(
        f"The system refused: {error.strerror or error}{place}.", "Check path and permissions."
    )


def _tell(error: RegionalBrainAgeError, debug: bool) -> int:
    LOG.debug("Where it arose:", exc_info=True, extra={"file_only": not debug})
    LOG.error(f"error: {error}")
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
