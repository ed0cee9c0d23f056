"""What README and the documentation tell people to type works: commands are parsed or run, Python is executed."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys

import pytest
from pages import PAGES, PROGRAM, blocks, calls, commands, run_by, typed
from regional_brain_age import __main__ as command_line
from RegionalBrainAgeLib.batch.run.tables import FAILED_COLUMNS
from RegionalBrainAgeLib.batch.sessions import longitudinal
from RegionalBrainAgeLib.case.result.tables import PARCEL_COLUMNS, REGION_COLUMNS, STRUCTURE_COLUMNS
from shared_folder import ROOT

NOTEBOOK = ROOT / "docs" / "tutorials" / "python.ipynb"


def _hooks():
    """The module that makes pages from the code."""
    spec = importlib.util.spec_from_file_location("documentation_hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = _hooks().generated_pages()


@pytest.mark.parametrize(("page", "words"), calls(), ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_every_call_of_the_program_is_understood(page, words, capsys):
    if words[0].startswith("-") or "--help" in words:
        with pytest.raises(SystemExit, match="0"):
            command_line.parse(words)
        return
    config = words.index("--config") if "--config" in words else None
    if config is not None:  # the file stands on the same page
        words = words[:config] + words[config + 2 :]
    assert command_line.parse(words).func is not None


@pytest.mark.parametrize("words", [words for _, words in typed()], ids=" ".join)
def test_every_command_is_run_by_a_test_or_it_is_said_why_not(words):
    place = run_by(words)
    assert place
    assert not place.endswith(".py") or (ROOT / "Testing" / place).exists()


def test_every_block_says_its_language_and_calls_stand_in_shell_blocks():
    for page in PAGES:
        opened = False
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith("```"):
                opened = not opened
                assert not opened or line.strip() != "```", page
            assert not line.startswith(f"    {PROGRAM}"), page
    other = [text for language in ("text", "yaml", "toml") for _, text, _ in blocks(language)]
    assert not [text for text in other if text.startswith(PROGRAM)]


def test_the_pages_call_every_command():
    called = {words[0] for _, words in calls()}
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
    batch_columns = [*FAILED_COLUMNS, *longitudinal.COLUMNS, *STRUCTURE_COLUMNS]
    assert all(f"`{column}`" in pages["reference/files.md"] for column in batch_columns)
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
