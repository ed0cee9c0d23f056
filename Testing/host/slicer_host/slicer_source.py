"""Slicer's own Python files in place of the stand-ins, where a checkout of Slicer is at hand.

With ``REGIONAL_BRAIN_AGE_SLICER_PYTHON=<checkout>/Base/Python`` the host loads ``slicer.i18n``,
``slicer.ScriptedLoadableModule`` and ``slicer.parameterNodeWrapper`` from there, so that the tests of the panels run
against the application's own rules for module classes and bound widgets. Qt stays PySide6.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import slicer

from .qt_modules import attribute_style

VARIABLE = "REGIONAL_BRAIN_AGE_SLICER_PYTHON"
_CTK_WIDGETS = (
    "CheckBox CheckablePushButton SliderWidget DoubleSlider DoubleSpinBox ComboBox RangeWidget DoubleRangeSlider "
    "DirectoryButton ColorPickerButton"
)
_NAMES = ("i18n", "parameterNodeWrapper", "ScriptedLoadableModule")


def source_folder() -> Path | None:
    """The folder ``Base/Python/slicer`` of the checkout, or None."""
    given = os.environ.get(VARIABLE)
    return Path(given) / "slicer" if given else None


def complete_application() -> None:
    """The members of `slicer.app` and the widget classes that those files ask for and the panels do not use."""
    slicer.app.moduleManager = lambda: SimpleNamespace(connect=lambda *_: None, disconnect=lambda *_: None)
    slicer.app.translate = lambda context, text: text
    for module, prefix, names in (
        (sys.modules["ctk"], "ctk", _CTK_WIDGETS),
        (slicer, "qMRML", "SliderWidget SpinBox RangeWidget"),
    ):
        for name in names.split():
            if not hasattr(module, prefix + name):
                setattr(module, prefix + name, type(prefix + name, (), {}))


def load(folder: Path) -> dict[str, ModuleType]:
    """The modules by name, loaded and put into ``sys.modules``; after qt, ctk and `slicer.app` are there."""
    found = {}
    for name in _NAMES:
        path = folder / name / "__init__.py" if (folder / name).is_dir() else folder / f"{name}.py"
        locations = [str(path.parent)] if path.name == "__init__.py" else None
        full = f"slicer.{name}"
        for file in path.parent.glob("*.py") if locations else ():
            attribute_style(f"{full}.{file.stem}")
        attribute_style(full)
        spec = importlib.util.spec_from_file_location(full, path, submodule_search_locations=locations)
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        setattr(slicer, name, module)
        spec.loader.exec_module(module)
        found[name] = module
    return found
