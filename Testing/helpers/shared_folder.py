"""Where data that is not part of the project is looked for."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "Testing" / "reference"


def data_folder() -> Path:
    """Folder of heads, lesions and normative tables; it may not exist."""
    return Path(os.environ.get("REGIONAL_BRAIN_AGE_DATA", ROOT.parent / "shared" / "data"))


# Small inputs that once failed, kept with the tests.
REPORTS, DAMAGED = ROOT / "Testing" / "data" / "reports", ROOT / "Testing" / "data" / "damaged"
