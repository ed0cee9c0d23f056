"""The Python API: every public name is there and says what it does, and importing it loads nothing heavy."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import regional_brain_age

HEAVY = ("numpy", "torch", "pandas", "SimpleITK", "matplotlib", "scipy")


@pytest.mark.parametrize("name", regional_brain_age.__all__)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(regional_brain_age, name)
    assert name in dir(regional_brain_age)
    assert isinstance(thing, str) or len(inspect.getdoc(thing)) > 40
    assert not inspect.isfunction(thing) or inspect.signature(thing).return_annotation is not inspect.Signature.empty


def test_type_checkers_see_what_python_finds():
    """The imports for type checkers and the table of places are the same list."""
    tree = ast.parse(Path(regional_brain_age.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in block.body
        for alias in statement.names
    }
    assert seen == regional_brain_age._PLACES
    assert sorted(seen) == sorted(regional_brain_age.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="run_everything"):
        _ = regional_brain_age.run_everything


def test_importing_loads_nothing_heavy():
    paths = [path for path in sys.path if "RegionalBrainAge" in path]
    code = f"import sys; sys.path[:0] = {paths!r}; import regional_brain_age; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


def test_the_examples_of_the_docstring_name_what_there_is():
    """Each example is Python, and every keyword it gives is one of the callable's."""
    text = inspect.getdoc(regional_brain_age)
    for block in re.findall(r"((?:^    .*\n|^\n)+)", text, re.MULTILINE):
        for call in [n for n in ast.walk(ast.parse(inspect.cleandoc(block))) if isinstance(n, ast.Call)]:
            if getattr(call.func, "id", None) in regional_brain_age.__all__:
                target = getattr(regional_brain_age, call.func.id)
                inspect.signature(target).bind(*call.args, **{k.arg: k.value for k in call.keywords})
