"""Errors as a user reads them: what happened, with which file or field, what to do next; traceback in the details."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator

import slicer
from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from slicer.i18n import tr as _


@contextlib.contextmanager
def told_to_user(doing: str) -> Iterator[None]:
    """Show an error that arises in the block; `doing` says what was being done. The block's work ends there."""
    try:
        yield
    except RegionalBrainAgeError as error:
        show_error(f"{doing}\n\n{error.what}\n{error.remedy}".strip(), traceback.format_exc())
    except OSError as error:
        place = error.filename or _("the file")
        text = _("{place}: {reason}.\nCheck the path, your permission to write there and the free space.")
        show_error(f"{doing}\n\n" + text.format(place=place, reason=error.strerror or error), traceback.format_exc())
    except Exception as error:  # the last door of a button's handler: nothing else would tell the user
        text = _("An unexpected fault occurred ({fault}).\nTry again; if it happens again, send the details below.")
        show_error(f"{doing}\n\n" + text.format(fault=f"{type(error).__name__}: {error}"), traceback.format_exc())


def show_error(text: str, details: str = "") -> None:
    """A dialog with the text, and the details behind a button."""
    slicer.util.errorDisplay(text, windowTitle=_("Regional Brain Age"), detailedText=details)
