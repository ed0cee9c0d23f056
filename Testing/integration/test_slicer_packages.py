"""What the panel installs into 3D Slicer has wheels for Slicer's Python 3.12 on all three systems."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from slicer_packages import ALONE, PLATFORMS, WITH, wheels_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("requirements", "more"), [(WITH, ()), (ALONE, ("--no-deps",))], ids=["with", "alone"])
def test_every_package_has_a_wheel(platform, requirements, more, tmp_path):
    tags = [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    words = ["--dry-run", "--only-binary=:all:", "--python-version", "3.12", *tags, "--target", str(tmp_path), *more]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *words, *wheels_of(requirements)],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    if re.search(r"Network is unreachable|Connection|Name or service|resolution", done.stderr):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stdout
