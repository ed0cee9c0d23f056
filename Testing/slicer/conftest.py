"""The host application for tests of what Slicer shows."""

from __future__ import annotations

from host_fixtures import host, running_host

__all__ = ["host", "running_host"]
