"""Stand-ins for ``slicer.ScriptedLoadableModule``, ``slicer.i18n`` and ``slicer.packaging``."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import slicer
from packaging.requirements import Requirement
from PySide6 import QtWidgets


class ScriptedLoadableModule:
    def __init__(self, parent) -> None:
        self.parent = parent
        self.moduleName = self.__class__.__name__

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None) -> None:
        self.moduleName = self.__class__.__name__.removesuffix("Widget")
        self.parent = parent if parent is not None else QtWidgets.QWidget()
        if self.parent.layout() is None:
            QtWidgets.QVBoxLayout(self.parent)
        self.parent.isEntered = False
        self.layout = self.parent.layout()
        self.developerMode = False

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self) -> None: ...

    def cleanup(self) -> None: ...


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None) -> None:
        self.moduleName = self.__class__.__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetModuleName(self.moduleName)
            node.SetName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        if node.GetAttribute("ModuleName") != self.moduleName:
            node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest:
    def delayDisplay(self, message: str, *_args, **_kwargs) -> None: ...


class Packaging:
    """What ``slicer.packaging`` offers, with pip replaced by `pip`, a function that a test sets."""

    def __init__(self) -> None:
        self.calls: list[dict] = []
        self.pip = lambda arguments: None
        self.satisfied: set[str] | None = None

    def load_requirements(self, path) -> list[Requirement]:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]

    def pip_check(self, requirements) -> bool:
        requirements = requirements if isinstance(requirements, list) else [requirements]
        return all(self._installed(Requirement(str(r))) for r in requirements)

    def _installed(self, requirement: Requirement) -> bool:
        if self.satisfied is not None:
            return requirement.name in self.satisfied
        try:
            return importlib.metadata.version(requirement.name) in requirement.specifier
        except importlib.metadata.PackageNotFoundError:
            return False

    def pip_ensure(self, requirements, prompt_install=True, requester=None, **_) -> None:
        missing = [r for r in requirements if not self.pip_check(r)]
        if missing:
            self.pip_install([str(r) for r in missing], requester=requester)

    def pip_install(self, requirements, no_deps_requirements=None, requester=None, **_) -> None:
        self.calls.append({"requirements": requirements, "no_deps": no_deps_requirements or [], "requester": requester})
        if no_deps_requirements:
            self.pip(["install", *no_deps_requirements, "--no-deps"])
        self.pip(["install", *requirements])


def install() -> Packaging:
    """Put the stand-in modules into ``sys.modules``. Returns the packaging stand-in for tests to steer."""
    from . import parameter_nodes

    scripted = ModuleType("slicer.ScriptedLoadableModule")
    for kind in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(scripted, kind.__name__, kind)
    scripted.__all__ = [n for n in vars(scripted) if n.startswith("Scripted")]
    i18n = ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda context, text: text
    wrapper = ModuleType("slicer.parameterNodeWrapper")
    for name in ("parameterNodeWrapper", "Choice", "WithinRange"):
        setattr(wrapper, name, getattr(parameter_nodes, name))
    packaging = Packaging()
    module = ModuleType("slicer.packaging")
    for name in ("load_requirements", "pip_check", "pip_ensure", "pip_install"):
        setattr(module, name, getattr(packaging, name))
    for name, stand_in in (
        ("ScriptedLoadableModule", scripted), ("i18n", i18n), ("parameterNodeWrapper", wrapper), ("packaging", module)
    ):  # fmt: skip
        sys.modules[f"slicer.{name}"] = stand_in
        setattr(slicer, name, stand_in)
    # The base module the application injects for the test class of a module file.
    slicer.selfTests = getattr(slicer, "selfTests", {})
    return packaging


def module_entry(name: str, path: str, logic=None) -> SimpleNamespace:
    """What ``slicer.modules.<name>`` is for a scripted module."""
    return SimpleNamespace(path=path, logic=lambda: logic, name=name)
