"""Errors a user reads: what happened, with which file or field, and what to do next."""

from __future__ import annotations


class RegionalBrainAgeError(Exception):
    """Base of all errors meant for a user's eyes.

    Parameters
    ----------
    what : one sentence naming the file or field and what is wrong with it.
    remedy : one sentence saying what to do next.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy


class InputError(RegionalBrainAgeError):
    """The user's input or usage is wrong: nothing was computed."""

    exit_code = 2


class CaseError(RegionalBrainAgeError):
    """The input was acceptable but this case could not be completed."""

    exit_code = 3


class Cancelled(RegionalBrainAgeError):
    """The user cancelled; no result was written."""
