"""A message names only options that its reader has: one sentence reaches commands, BIDS-App, Python and Slicer."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from regional_brain_age import bids_app
from regional_brain_age.__main__ import build_parser
from shared_folder import ROOT

# Modules that one command alone reaches, or that speak to another program; they may name its options.
OF_ONE_COMMAND = (
    "cli.py",  # the options themselves
    "batch/controls.py",  # calibrate
    "batch/run/dask_pool.py",  # batch --scheduler
    "case/result/dicom_source.py",  # case and batch with --dicom
    "cortex/freesurfer.py",  # mri_segstats
    "age/evaluation/card.py",  # evaluate --card
    "age/vertices/card.py",  # evaluate --vertices --card
    "structures/training/card.py",  # train-structures
    "resources.py",  # pip
    "batch/run/batch.py",  # batch without --resume; the BIDS-App always resumes
)
LIBRARIES = [ROOT / "RegionalBrainAge" / "RegionalBrainAgeLib"]
LIBRARIES += [ROOT / "RegionalBrainAgeCohort" / "RegionalBrainAgeCohortLib"]
MODULES = [path for library in LIBRARIES for path in sorted(library.rglob("*.py"))]
# Said to the whole command line, or where another call is given in full or by its name.
TOLD = re.compile(r"regional-brain-age \w+|\bbatch\b|Give --t1 FILE")


# Whatever a user may read of the program, help texts included, and the docstrings of its reference.
SHIPPED = sorted(
    path for folder in ("RegionalBrainAge", "RegionalBrainAgeCohort") for path in (ROOT / folder).rglob("*.py")
)


def messages(path: Path) -> list[str]:
    """Every text of a module but its docstrings; parts of an f-string together."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found, parts = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(node.value)
        if isinstance(node, ast.JoinedStr):
            constants = [part for part in node.values if isinstance(part, ast.Constant)]
            parts.update(constants)
            found.append("…".join(str(part.value) for part in constants))
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in parts]
    return found + [node.value for node in constants if isinstance(node.value, str)]


def bids_options() -> set[str]:
    return {option for action in bids_app.build_parser()._actions for option in action.option_strings}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_option_in_a_message_is_one_that_the_bids_app_has_too(path):
    if path.as_posix().endswith(OF_ONE_COMMAND):
        return
    for text in messages(path):
        unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - bids_options()
        assert not unknown or TOLD.search(text), text


def test_the_rule_sees_an_option_that_is_not_there(tmp_path):
    (tmp_path / "one.py").write_text('"""Uses --in."""\nraise ValueError(f"{1} Choose another --out.")\n')
    assert messages(tmp_path / "one.py") == [" Choose another --out."]
    assert "--out" not in bids_options()


def absent_pages(text: str) -> set[str]:
    """Pages and other files of the project that a text names and that are not there."""
    named = set(re.findall(r"(?<![\w./-])(?:docs|Testing|Resources)/[\w./-]+\.(?:md|ipynb|py|json|tsv)\b", text))
    return {name for name in named if not (ROOT / name).exists()}


def unknown_commands(text: str) -> set[str]:
    """Commands that a text tells to type after the program's name and that the program does not have."""
    return set(re.findall(r"regional-brain-age ([a-z][\w-]*)", text)) - set(
        build_parser()._subparsers._group_actions[0].choices
    )


def test_every_page_and_command_that_the_program_names_is_there():
    assert len(SHIPPED) > 200
    for path in SHIPPED:
        text = path.read_text(encoding="utf-8")
        assert not absent_pages(text), path
        assert not unknown_commands(text), path


def test_a_page_or_command_that_is_not_there_is_seen():
    assert absent_pages("see docs/vertices.md or docs/cluster.md") == {"docs/vertices.md"}
    assert unknown_commands("run `regional-brain-age peel` or `regional-brain-age case`") == {"peel"}
