"""What README and the documentation tell people to type, and which test types it."""

from __future__ import annotations

import re
import shlex

from shared_folder import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [ROOT / "Resources" / "Models" / "README.md"]
PROGRAM = "regional-brain-age"

# The beginning of a command, or an option of the program: the test that runs it, or why none can.
CALLS, SET_UP = "documented/test_documented_commands.py", "documented/test_set_up.py"
ELSEWHERE = {
    # the program
    "--help": "unit/test_command_line.py",
    "--version": "unit/test_command_line.py",
    "demo": SET_UP,
    "--slurm": "needs a SLURM; docs/cluster.md shows what one answered",
    "vertices": "unit/age/test_subjects.py",
    "--vertices": "unit/age/vertices/test_card.py",
    "train-structures": "unit/structures/test_command.py",
    "--charts": "the shipped model's people are not shipped, and its training takes long",
    # other programs
    "make demo": SET_UP,
    "make docs": "unit/test_documentation.py",
    "make test": "continuous integration runs it (.ci/run)",
    "make lint": "continuous integration runs it (.ci/run)",
    "make documented": "runs the tests named here",
    "make coverage": "the unit tests once more, measured",
    "make fuzz": "fuzz/test_fuzz.py",
    "make soak": "integration/test_batch_interruptions.py",
    ".": SET_UP,
    "python3 -m venv": SET_UP,
    "pip install": SET_UP,
    "pip download --platform": "integration/test_slicer_packages.py",
    "pip download": SET_UP,
    "pip wheel --wheel-dir wheels --find-links": SET_UP,
    "pip wheel": "integration/test_slicer_packages.py",
    "pipx install": SET_UP,
    "python -c": SET_UP,
    "python Testing/benchmarks": "a benchmark takes long and needs heads that are not shipped",
    "python Testing/host/update_manifest.py": "unit/test_extension_files.py",
    "python docs/draw_architecture.py": "unit/test_architecture.py",
    "pre-commit install": "changes the checkout's own hooks",
    "docker build": "needs a registry; the workflow tests.yml builds the image",
    "apptainer build": "needs a registry; unit/test_containers.py compares its recipe with the Dockerfile",
    "docker run": CALLS,
    "apptainer run": CALLS,
    "sbatch": CALLS,
    "TLS=": CALLS,
    "dask": CALLS,
    "movescu": "needs a PACS",
    "apt install": "needs an administrator of a fresh Debian",
    "apt-get install": "needs an administrator of a fresh Debian",
}
_WORDS = "|".join(re.escape(word) for word in (f"{PROGRAM} ", "make ", "pip ", "pipx ", "python ", "apt ", "apt-get "))
_TYPED = re.compile(rf"`((?:PYTHONPATH=\S+ )?(?:{_WORDS})[^`]+)`")


def blocks(language: str) -> list[tuple[str, str, bool]]:
    """Page, text and whether it is marked to be run, of every code block of a language."""
    found = []
    for page in PAGES:
        pattern = rf"(<!-- run -->\s*)?```{language}\n(.*?)```"
        for mark, text in re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL):
            found.append((page.relative_to(ROOT).as_posix(), text, bool(mark)))
    return found


def commands(text: str) -> list[list[str]]:
    """The words of every command of a shell block, without redirections and comments."""
    lines = text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line.split(" > ")[0], comments=True) for line in lines]
    return [line for line in words if line]


def typed() -> list[tuple[str, list[str]]]:
    """Page and words of every command that a page shows, in its blocks or between its words."""
    found = [(page, words) for page, text, _ in blocks("sh") for words in commands(text)]
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for command in _TYPED.findall(text):
            found.append((page.relative_to(ROOT).as_posix(), shlex.split(command)))
    return found


def calls() -> list[tuple[str, list[str]]]:
    """Page and words, without its name, of every call of the program."""
    return [(page, words[1:]) for page, words in typed() if words[0] == PROGRAM]


def run_by(words: list[str]) -> str:
    """The test that runs a command, or why none can; empty where nobody knows."""
    if words[0] == PROGRAM:
        return next((place for word, place in ELSEWHERE.items() if word in words[1:]), CALLS)
    line = " ".join(word for word in words if not word.startswith("PYTHONPATH="))
    return next((place for start, place in ELSEWHERE.items() if (line + " ").startswith(start)), "")
