"""A message names only options that its reader has: one sentence reaches commands, BIDS-App, Python and Slicer."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from regional_brain_age import bids_app
from shared_folder import ROOT

# Modules that one command alone reaches, or that speak to another program; they may name its options.
OF_ONE_COMMAND = (
    "cli.py",  # the options themselves
    "batch/controls.py",  # calibrate
    "batch/run/dask_pool.py",  # batch --scheduler
    "case/result/dicom_source.py",  # case and batch with --dicom
    "cortex/freesurfer.py",  # mri_segstats
    "age/evaluation/card.py",  # evaluate --card
    "structures/training/card.py",  # train-structures
    "resources.py",  # pip
    "batch/run/batch.py",  # batch without --resume; the BIDS-App always resumes
)
LIBRARIES = [ROOT / "RegionalBrainAge" / "RegionalBrainAgeLib"]
LIBRARIES += [ROOT / "RegionalBrainAgeCohort" / "RegionalBrainAgeCohortLib"]
MODULES = [path for library in LIBRARIES for path in sorted(library.rglob("*.py"))]
# Said to the whole command line, or where another call is given in full or by its name.
TOLD = re.compile(r"regional-brain-age \w+|\bbatch\b|Give --t1 FILE")


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
