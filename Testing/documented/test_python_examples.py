"""The Python that pages show is run as it stands, on files of the names it uses."""

from __future__ import annotations

import ast
import inspect
import re
import shutil

import pytest
import regional_brain_age
from pages import blocks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

# The docstring of the package is the page docs/reference/python.md. What talks to Slicer: slicer/test_console.py.
DOCSTRING = inspect.getdoc(regional_brain_age)
EXAMPLES = [text for _, text, _ in blocks("python") if "slicer." not in text]
EXAMPLES += [inspect.cleandoc(text) for text in re.findall(r"((?:^    .*\n|^\n(?=    ))+)", DOCSTRING, re.MULTILINE)]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number, here, capsys):
    names: dict = {}
    for statement in ast.parse(EXAMPLES[number]).body:
        if "analyse_cohort(" in ast.unparse(statement):  # a cohort of more than the page's two cases
            shutil.copy("processed_cases.csv", "results/processed_cases.csv")
        exec(compile(ast.Module([statement], []), "example", "exec"), names)
    if "print(" in EXAMPLES[number]:
        assert len(capsys.readouterr().out.splitlines()) == 18  # a line per region


def test_all_examples_are_found():
    assert len(EXAMPLES) == 3
