"""Stand-ins for the ctk and qMRML widgets that the panels use, with the members the panels call."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from .node_combo_box import qMRMLNodeComboBox
from .path_line_edit import ctkPathLineEdit
from .segment_editor import qMRMLSegmentEditorWidget


class qMRMLWidget(QtWidgets.QWidget):
    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene) -> None:
        for child in self.findChildren(qMRMLNodeComboBox):
            child.setMRMLScene(scene)
        self.mrmlSceneChanged.emit(scene)


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A heading that shows or hides what is below it."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.setContentsMargins(0, 26, 0, 0)
        self._head = QtWidgets.QToolButton(self)
        self._head.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._head.setCheckable(True)
        self._head.setChecked(True)
        self._head.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._head.toggled.connect(lambda on: self.setCollapsed(not on))
        self._show(True)

    def resizeEvent(self, event) -> None:
        self._head.setGeometry(0, 0, self.width(), 24)

    def _show(self, on: bool) -> None:
        self._head.setArrowType(QtCore.Qt.ArrowType.DownArrow if on else QtCore.Qt.ArrowType.RightArrow)
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            if child is not self._head:
                child.setVisible(on)
        self.setMaximumHeight(16777215 if on else 26)

    def childEvent(self, event) -> None:
        super().childEvent(event)

    def isCollapsed(self) -> bool:
        return not self._head.isChecked()

    def setCollapsed(self, on: bool) -> None:
        changed = self._head.isChecked() == on
        self._head.setChecked(not on)
        self._show(not on)
        if changed:
            self.contentsCollapsed.emit(on)

    def getText(self) -> str:
        return self._head.text()

    def setTitle(self, text: str) -> None:
        self._head.setText(text)

    collapsed = QtCore.Property(bool, isCollapsed, setCollapsed)
    text = QtCore.Property(str, getText, setTitle)


WIDGETS = {
    c.__name__: c
    for c in (qMRMLWidget, ctkCollapsibleButton, ctkPathLineEdit, qMRMLNodeComboBox, qMRMLSegmentEditorWidget)
}


def picture_of(widget: QtWidgets.QWidget) -> QtGui.QPixmap:
    """The widget as it would be on screen."""
    return widget.grab()
