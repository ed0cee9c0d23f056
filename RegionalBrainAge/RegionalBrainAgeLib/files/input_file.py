"""What every reader of a user's file needs: an ordinary file, parsers' exceptions as errors, JSON of finite numbers."""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, RegionalBrainAgeError

_COPY_AGAIN = "Copy or export it again."
# No settings, record or summary of this software is larger; a larger one would only fill memory.
_LARGEST_JSON_BYTES = 100_000_000


@contextlib.contextmanager
def parsing(name: str, remedy: str = _COPY_AGAIN) -> Iterator[None]:
    """Anything a parser throws inside the block becomes an `InputError` that names the file and the remedy.

    A list of exception classes is never complete: the parsers of other packages throw what they like on damaged bytes.

    Raises
    ------
    InputError : the block threw; errors of this software pass as they are.
    """
    try:
        yield
    except RegionalBrainAgeError:
        raise
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or _last_line(error)}.", remedy) from error
    except MemoryError as error:
        raise InputError(f"{name} claims more memory than there is.", remedy) from error
    except Exception as error:
        raise InputError(f"{name} cannot be read: it is cut off or damaged ({_last_line(error)}).", remedy) from error


def _last_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[-1]
    return (text if text and not isinstance(error, KeyError) else f"{type(error).__name__} {text}".strip())[:120]


def as_path(path: object, name: str) -> Path:
    """The path that a caller gave as text or as a path.

    Raises
    ------
    InputError : it is something else.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{name} was given as {type(path).__name__}.", "Give a path.")
    return Path(path)


def refuse_replacing(out: Path | str, *inputs: Path | None) -> None:
    """Refuse an output file that is one of the inputs.

    Raises
    ------
    InputError : it is.
    """
    for given in inputs:
        if given is not None and Path(out).resolve() == Path(given).resolve():
            raise InputError(f"{out} is an input of this command and would be replaced.", "Choose another output file.")


def plain_file(path: Path | str, name: str, remedy: str = "Check the path.") -> Path:
    """The path of an ordinary file; pipes and devices, which could block for ever, are refused.

    Raises
    ------
    InputError : there is no such file, or it is no ordinary one.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(f"{name} cannot be read: it does not exist.", remedy) from error
    except (OSError, ValueError) as error:  # a name too long or with a NUL
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name} cannot be read: {reason}.", remedy) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{name} is a folder, not a file.", remedy)
    if not stat.S_ISREG(mode):
        raise InputError(f"{name} is no ordinary file (a pipe or a device).", "Give a file that lies on a disk.")
    return path


def read_json(path: Path | str, name: str, remedy: str = _COPY_AGAIN) -> Any:
    """The content of a JSON file; every number in it is finite.

    Raises
    ------
    InputError : no ordinary file, not UTF-8, not JSON, or it holds NaN, an infinite or a huge number.
    """
    path = plain_file(path, name, remedy)
    if path.stat().st_size > _LARGEST_JSON_BYTES:
        raise InputError(f"{name} is too large to be what it should be.", remedy)
    with parsing(name, remedy):
        return json.loads(
            path.read_text(encoding="utf-8-sig"),
            parse_constant=_refuse_number,
            parse_float=_finite,
            parse_int=_integer,
        )


def _refuse_number(text: str) -> float:
    raise ValueError(f"the number {text[:20]} is not finite")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _integer(text: str) -> int:
    if len(text) > 18:
        raise ValueError(f"the number {text[:20]}... is too large")
    return int(text)
