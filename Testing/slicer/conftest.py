"""The host application for tests of what Slicer shows."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from host_fixtures import host, running_host

__all__ = ["host", "running_host"]
