"""Shared fixtures. Data that is not part of the project is looked for and, where absent, the test skips and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_folder import data_folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of heads, lesions and normative tables; see `data_folder`."""
    folder = data_folder()
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set REGIONAL_BRAIN_AGE_DATA to run this test")
    return folder
