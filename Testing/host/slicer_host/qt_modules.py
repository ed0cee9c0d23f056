"""``qt`` and ``ctk`` as PythonQt offers them, made of PySide6.

PythonQt reads and writes Qt properties as attributes. PySide6 does so too in modules that ask for the feature
"true_property"; `attribute_style` asks on behalf of a module about to be imported.
"""

from __future__ import annotations

import sys
from types import ModuleType

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from shibokensupport import feature

_TRUE_PROPERTY = 0x02
# Modules of the application and of this extension that use attributes; a prefix ends with a dot.
_ATTRIBUTE_STYLE = ["slicer.util", "qt"]


def _uses_qt(module: ModuleType) -> bool:
    return any(name in vars(module) for name in ("PySide6", "QtCore", "QtGui", "QtTest", "QtWidgets"))


# PySide6 reads the source of every loaded module to find this out: slow, and fatal on some of torch's.
feature._mod_uses_pyside = _uses_qt


def attribute_style(module_name: str) -> None:
    """Let a module read and write Qt properties as attributes."""
    feature.set_selection(_TRUE_PROPERTY, module_name)


class _Timer(QtCore.QTimer):
    """PythonQt keeps the static function and the setter, which "true_property" hides behind the property's name."""

    singleShot = staticmethod(QtCore.QTimer.singleShot)
    setSingleShot = QtCore.QTimer.setSingleShot


class _MessageBox(QtWidgets.QMessageBox):
    """Waits for its answer: without the application's main loop, Qt would delete it at once."""

    exec_ = QtWidgets.QMessageBox.exec

    def deleteLater(self) -> None: ...


class _FileDialog:
    """The system's file dialog, which a test answers beforehand. PythonQt's static functions return only the path."""

    answer = ""

    @classmethod
    def getOpenFileName(cls, *_) -> str:
        return cls.answer

    @classmethod
    def getExistingDirectory(cls, *_) -> str:
        return cls.answer


def install(widgets: dict[str, type]) -> None:
    """Put ``qt`` and ``ctk`` into ``sys.modules``. `widgets` are the stand-ins that `.ui` files may name."""
    QtCore.QObject.name = property(
        lambda self: (
            QtCore.QObject.objectName.fget(self)
            if isinstance(QtCore.QObject.objectName, property)
            else self.objectName()
        )
    )

    class Loader(QtUiTools.QUiLoader):
        def __init__(self) -> None:
            super().__init__()
            for widget in widgets.values():
                self.registerCustomWidget(widget)

    qt = ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets):
        for name in dir(source):
            if name.startswith("Q"):
                setattr(qt, name, getattr(source, name))
    qt.QUiLoader = Loader
    qt.QTimer = _Timer
    qt.QFileDialog = _FileDialog
    qt.Signal, qt.Slot = QtCore.Signal, QtCore.Slot
    # PythonQt gives enumerators by the class, as Qt does in C++ without scopes.
    qt.QFile.ReadOnly = QtCore.QIODevice.OpenModeFlag.ReadOnly
    ctk = ModuleType("ctk")
    for name, widget in widgets.items():
        if name.startswith("ctk"):
            setattr(ctk, name, widget)
    ctk.ctkMessageBox = _MessageBox
    sys.modules["qt"], sys.modules["ctk"] = qt, ctk
    for name in _ATTRIBUTE_STYLE:
        attribute_style(name)
