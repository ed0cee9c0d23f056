"""What every command takes: how much it says and where to, and a file with its options."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import logging
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.input_file import parsing, plain_file
from RegionalBrainAgeLib.progress import LOG

_FILE_FORMAT = "%(asctime)s %(levelname)s %(message)s"
# Options that are read before the others, or make no sense in a file.
_NOT_IN_A_FILE = ("config", "help", "version")


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-v``, ``-q``, ``--log-file``, ``--config`` and ``--debug`` to a command."""
    group = parser.add_argument_group("messages and settings")
    how_much = group.add_mutually_exclusive_group()
    how_much.add_argument("-v", "--verbose", action="store_true", help="say more, on stderr")
    how_much.add_argument("-q", "--quiet", action="store_true", help="say only what is wrong: no progress")
    group.add_argument("--log-file", metavar="FILE", type=Path, help="append all messages, with their times, to a file")
    group.add_argument(
        "--config",
        metavar="FILE.toml",
        type=Path,
        help="options from a TOML file (threads = 4); those on the command line come first",
    )
    group.add_argument("--debug", action="store_true", help="show where in the program an error arose")


@contextlib.contextmanager
def messages(args: argparse.Namespace) -> Iterator[None]:
    """Send the program's messages where the options say, until the block ends.

    Raises
    ------
    InputError : the log file cannot be written.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setLevel(
        logging.DEBUG if args.verbose or args.debug else logging.WARNING if args.quiet else logging.INFO
    )
    handlers[0].addFilter(lambda record: not getattr(record, "file_only", False))
    if args.log_file is not None:
        try:
            args.log_file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(args.log_file, encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"The log file {args.log_file} cannot be written: {error.strerror or error}.", "Choose another place."
            ) from error
        handlers[1].setFormatter(logging.Formatter(_FILE_FORMAT))
    before = LOG.level, LOG.propagate
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False
    for handler in handlers:
        LOG.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()
        LOG.level, LOG.propagate = before


def words_from_config(argv: Sequence[str], tables: Mapping[str, argparse.ArgumentParser], table: str) -> list[str]:
    """What ``--config FILE.toml`` adds to the arguments: its options without those that were typed; put it at the end.

    A key is an option's name (``memory-per-case = 4``; ``_`` for ``-`` is fine); a table named like the command
    (``[batch]``, ``[bids]`` for the BIDS-App) holds for that command alone. true gives a switch, a list an option of
    several values.

    Parameters
    ----------
    tables : parser of every command, by the name of its table.
    table : the command that is called.

    Raises
    ------
    InputError : the file cannot be read, or has an option that the command does not know.
    """
    path = _config_path(argv)
    if path is None:
        return []
    name, remedy = f"The settings {path}", "Give a TOML file in UTF-8."
    plain_file(path, name, remedy)
    with parsing(name, remedy):
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {
        name.lstrip("-"): action
        for action in tables[table]._actions
        for name in action.option_strings
        if name.startswith("--") and action.dest not in _NOT_IN_A_FILE
    }
    unknown_tables = [key for key, value in settings.items() if isinstance(value, dict) and key not in tables]
    if unknown_tables:
        raise InputError(f"The settings {path} have a table [{unknown_tables[0]}]; no command is called so.")
    chosen = {key: value for key, value in settings.items() if not isinstance(value, dict)} | settings.get(table, {})
    words: list[str] = []
    for key, value in chosen.items():
        name = key.replace("_", "-")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "See --help for its options."
            raise InputError(f"The settings {path} have {key}, which is no option of '{table}'.", hint)
        more = _words(path, name, value, switch=known[name].nargs == 0)
        words += [] if _typed(argv, known[name]) else more
    return words


def _typed(argv: Sequence[str], action: argparse.Action) -> bool:
    return any(word == name or word.startswith(f"{name}=") for word in argv for name in action.option_strings)


def _config_path(argv: Sequence[str]) -> Path | None:
    for place, word in enumerate(argv):
        if word == "--config" and place + 1 < len(argv):
            return Path(argv[place + 1])
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return None


def _words(path: Path, name: str, value: object, switch: bool) -> list[str]:
    if switch:
        if not isinstance(value, bool):
            raise InputError(f"The settings {path} give {name} = {value!r}.", "It is a switch: write true or false.")
        return [f"--{name}"] if value else []
    if isinstance(value, list):
        return [f"--{name}", *map(str, value)]
    if isinstance(value, bool | dict):
        raise InputError(f"The settings {path} give {name} = {value!r}.", "It takes a number or a text.")
    return [f"--{name}={value}"]
