"""The stand-in application as pytest fixtures, for the tests of panels and of what Slicer shows."""

from __future__ import annotations

import pytest

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
    """The host with an empty scene. A test that leaves an entry in the application's error log fails."""
    running_host.core.scene.Clear(0)
    running_host.errors.clear()
    yield running_host
    running_host.core.scene.Clear(0)
    assert running_host.errors == []
