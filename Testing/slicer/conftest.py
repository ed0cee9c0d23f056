"""The host application for tests of what Slicer shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
pytest.importorskip("slicer_core", reason="needs PyPI's slicer-core: pip install -e '.[test]'")
pytest.importorskip("PySide6", reason="needs PySide6: pip install -e '.[test]'")
import slicer_host

slicer_host.import_slicer()


@pytest.fixture(scope="session")
def running_host():
    """The host, with the module's folder on the path as in Slicer."""
    return slicer_host.start()


@pytest.fixture
def host(running_host):
    """The host with an empty scene."""
    running_host.core.scene.Clear(0)
    yield running_host
    running_host.core.scene.Clear(0)
