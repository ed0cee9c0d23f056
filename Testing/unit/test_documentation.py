"""What README and the documentation tell people to type works: commands are parsed or run, Python is executed."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import subprocess
import sys

import pytest
from regional_brain_age import __main__ as command_line
from RegionalBrainAgeLib.case.result.tables import PARCEL_COLUMNS, REGION_COLUMNS
from shared_folder import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [ROOT / "Resources" / "Models" / "README.md"]
NOTEBOOK = ROOT / "docs" / "tutorials" / "python.ipynb"


def _hooks():
    """The module that makes pages from the code."""
    spec = importlib.util.spec_from_file_location("documentation_hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = _hooks().generated_pages()


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
    """Page and words of every call of the program that a page shows."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^\s*(regional-brain-age [^\n`]+)$", text, re.MULTILINE):
            found.append((page.relative_to(ROOT).as_posix(), shlex.split(line.split(" > ")[0], comments=True)[1:]))
    return found


@pytest.mark.parametrize(("page", "words"), typed(), ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_every_call_of_the_program_is_understood(page, words, capsys):
    if words[0].startswith("-"):
        with pytest.raises(SystemExit, match="0"):
            command_line.parse(words)
        return
    config = words.index("--config") if "--config" in words else None
    if config is not None:  # the file stands on the same page
        words = words[:config] + words[config + 2 :]
    assert command_line.parse(words).func is not None


def test_the_pages_call_every_command():
    called = {words[0] for _, words in typed()}
    known = set(command_line.build_parser()._subparsers._group_actions[0].choices)
    assert known <= called, f"nobody is shown how to use {known - called}"


@pytest.mark.parametrize(
    ("page", "text"), [(page, text) for page, text, run in blocks("sh") if run], ids=lambda value: value[:30]
)
def test_commands_marked_to_be_run_run(page, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in commands(text):
        assert words[0] == "regional-brain-age"
        if words[1].startswith("--"):  # the parser's own answers end the program
            with pytest.raises(SystemExit, match="0"):
                command_line.main(words[1:])
        else:
            assert command_line.main(words[1:]) == 0


def test_every_target_of_make_that_is_named_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for page, text, _ in blocks("sh"):
        for words in commands(text):
            if words[0] == "make":
                assert words[1] in targets, page


@pytest.mark.parametrize(("page", "text"), [(page, text) for page, text, _ in blocks("python")], ids=lambda v: v[:30])
def test_every_python_block_is_python(page, text):
    ast.parse(text)


def test_settings_files_on_the_pages_are_understood(tmp_path):
    texts = [text for _, text, _ in blocks("toml")]
    assert texts
    for text in texts:
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        args = command_line.parse(["case", "--config", str(path), "--out", "x"])
        assert args.config == path


def test_the_notebook_runs_and_holds_no_output():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    names: dict = {}
    for cell in code:
        exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    assert "mixed_models" in names["result"].tables


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if target.startswith(("http", "mailto")):
                continue
            there = (page.parent / target).resolve()
            assert there.exists() or there.relative_to(ROOT / "docs").as_posix() in GENERATED, f"{page}: {target}"


def test_generated_pages_hold_every_command_column_and_setting():
    pages = GENERATED
    known = command_line.build_parser()._subparsers._group_actions[0].choices
    assert all(f"## {name}" in pages["reference/cli.md"] for name in known)
    assert all(f"`{column}`" in pages["reference/files.md"] for column in [*REGION_COLUMNS, *PARCEL_COLUMNS])
    assert "`load_cst_weighted`" in pages["reference/files.md"]
    assert "`sem_draws`" in pages["reference/settings.md"]
    assert "::: RegionalBrainAgeLib.case.pipeline.run_case" in pages["reference/python.md"]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    paths = [str(ROOT / "RegionalBrainAge"), str(ROOT / "RegionalBrainAgeCohort")]
    code = f"import sys; sys.path[:0] = {paths!r}; from mkdocs.__main__ import cli; cli()"
    words = [sys.executable, "-c", code, "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "python" / "index.html").exists()
