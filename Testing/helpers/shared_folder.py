"""Where data that is not part of the project is looked for."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "Testing" / "reference"


def data_folder() -> Path:
    """Folder of heads, lesions and normative tables; it may not exist."""
    return Path(os.environ.get("REGIONAL_BRAIN_AGE_DATA", ROOT.parent / "shared" / "data"))


def cases_folder() -> Path:
    """Folder of small inputs that once failed, beside the data folder; it may not exist."""
    return data_folder().parent / "cases"


# Small inputs that once failed, kept with the tests.
REPORTS, DAMAGED = ROOT / "Testing" / "data" / "reports", ROOT / "Testing" / "data" / "damaged"
