"""A stand-in for ctkPathLineEdit, as sparing with its signal as CTK's; see Testing/host/README.md."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path with a history and a browse button. `currentPathChanged` tells of acceptable input only.

    Input is acceptable where the validator says so, and it wants one character or more: a field that was emptied tells
    nobody.
    """

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    Files, Dirs = 0x2, 0x1

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._filters = self.Files
        self._valid = False
        self._combo = QtWidgets.QComboBox()
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._combo.setCompleter(None)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._edit = self._combo.lineEdit()
        self._edit.setValidator(QtGui.QRegularExpressionValidator(QtCore.QRegularExpression(".+"), self))
        self._browse = QtWidgets.QToolButton()
        self._browse.setText("...")
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo)
        row.addWidget(self._browse)
        self._edit.textChanged.connect(self._tell)
        self._browse.clicked.connect(self.browse)

    def _tell(self, *_unused) -> None:
        valid = self._edit.hasAcceptableInput()
        if valid:
            self.currentPathChanged.emit(self._edit.text())
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)

    def browse(self) -> None:
        if self._filters == self.Dirs:
            path = QtWidgets.QFileDialog.getExistingDirectory(self)
        else:
            path, _ = QtWidgets.QFileDialog.getOpenFileName(self)
        if path:
            self.setPath(path)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo

    def getPath(self) -> str:
        return self._edit.text()

    def setPath(self, path: str) -> None:
        self._edit.setText(path)

    def getFilters(self) -> int:
        return self._filters

    def setFilters(self, value: int) -> None:
        self._filters = value

    currentPath = QtCore.Property(str, getPath, setPath)
    filters = QtCore.Property(int, getFilters, setFilters)
