"""Stand-ins for the ctk and qMRML widgets that the panels use, with the members the panels call."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
import vtk
from PySide6 import QtCore, QtGui, QtWidgets


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


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path with a browse button."""

    currentPathChanged = QtCore.Signal(str)
    Files, Dirs = 0x2, 0x1

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._filters = self.Files
        self._edit = QtWidgets.QLineEdit()
        self._browse = QtWidgets.QToolButton()
        self._browse.setText("...")
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._edit)
        row.addWidget(self._browse)
        self._edit.textChanged.connect(self.currentPathChanged)
        self._browse.clicked.connect(self.browse)

    def browse(self) -> None:
        if self._filters == self.Dirs:
            path = QtWidgets.QFileDialog.getExistingDirectory(self)
        else:
            path, _ = QtWidgets.QFileDialog.getOpenFileName(self)
        if path:
            self.setPath(path)

    def getPath(self) -> str:
        return self._edit.text()

    def setPath(self, path: str) -> None:
        if path != self._edit.text():
            self._edit.setText(path)

    def getFilters(self) -> int:
        return self._filters

    def setFilters(self, value: int) -> None:
        self._filters = value

    currentPath = QtCore.Property(str, getPath, setPath)
    filters = QtCore.Property(int, getFilters, setFilters)


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """Chooses among the scene's nodes of some classes."""

    currentNodeChanged = QtCore.Signal(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene, self._types, self._none, self._last = None, ["vtkMRMLNode"], False, None
        # As in the application: child classes are offered unless the .ui says otherwise.
        self._flags = {"children": True}
        self.currentIndexChanged.connect(lambda *_: self._tell())

    def setMRMLScene(self, scene) -> None:
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
            tag = scene.AddObserver(event, lambda *_: self._fill())
            self.destroyed.connect(lambda *_, tag=tag: scene.RemoveObserver(tag))
        self._fill()

    def _fill(self) -> None:
        chosen = self.currentData()
        self.blockSignals(True)
        self.clear()
        if self._none:
            self.addItem("None", "")
        if self._scene is not None and not self._scene.IsClosing():
            for kind in self._types:
                nodes = self._scene.GetNodesByClass(kind)
                nodes.UnRegister(None)
                for index in range(nodes.GetNumberOfItems()):
                    node = nodes.GetItemAsObject(index)
                    if node.GetHideFromEditors() or (node.GetClassName() != kind and not self._flags["children"]):
                        continue
                    self.addItem(node.GetName(), node.GetID())
        index = self.findData(chosen) if chosen else -1
        self.setCurrentIndex(max(index, 0) if self.count() else -1)
        self.blockSignals(False)
        self._tell()

    def _tell(self) -> None:
        if self.currentData() != self._last:
            self._last = self.currentData()
            self.currentNodeChanged.emit(self.currentNode())

    def currentNode(self):
        identifier = self.currentData()
        return self._scene.GetNodeByID(identifier) if self._scene is not None and identifier else None

    def setCurrentNode(self, node) -> None:
        self.setCurrentIndex(max(self.findData(node.GetID() if node is not None else ""), -1 if not self._none else 0))

    def getTypes(self):
        return self._types

    def setTypes(self, types) -> None:
        self._types = list(types)
        self._fill()

    def getNone(self) -> bool:
        return self._none

    def setNone(self, on: bool) -> None:
        self._none = on
        self._fill()

    def _flag(name):
        return QtCore.Property(
            bool, lambda self: self._flags.get(name, False), lambda self, on: self._flags.__setitem__(name, on)
        )

    nodeTypes = QtCore.Property("QStringList", getTypes, setTypes)
    noneEnabled = QtCore.Property(bool, getNone, setNone)
    showChildNodeTypes = _flag("children")
    addEnabled = _flag("add")
    removeEnabled = _flag("remove")
    renameEnabled = _flag("rename")


class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """Paint and erase only; the application's editor has more effects and the same members."""

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene = self._node = None
        self._buttons: dict[str, QtWidgets.QToolButton] = {}
        self._order: list[str] = []
        self._flags: dict[str, object] = {}
        self.shortcuts_installed = False
        self.views_observed = False
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        for name in ("Paint", "Erase"):
            button = QtWidgets.QToolButton()
            button.setText(name)
            button.setObjectName(f"{name}Effect")
            button.setCheckable(True)
            button.clicked.connect(lambda on, name=name: self.setActiveEffectByName(name if on else ""))
            self._row.addWidget(button)
            self._buttons[name] = button
        self._row.addStretch()

    def setMRMLScene(self, scene) -> None:
        self._scene = scene

    def setMRMLSegmentEditorNode(self, node) -> None:
        self._node = node

    def mrmlSegmentEditorNode(self):
        return self._node

    def setSegmentationNode(self, node) -> None:
        if self._node is not None:
            self._node.SetAndObserveSegmentationNode(node)
            if node is not None and node.GetSegmentation().GetNumberOfSegments():
                self._node.SetSelectedSegmentID(node.GetSegmentation().GetNthSegmentID(0))

    def segmentationNode(self):
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSourceVolumeNode(self, node) -> None:
        if self._node is not None:
            self._node.SetAndObserveSourceVolumeNode(node)

    def sourceVolumeNode(self):
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setCurrentSegmentID(self, identifier: str) -> None:
        self._node.SetSelectedSegmentID(identifier)

    def setEffectNameOrder(self, names) -> None:
        self._order = list(names)
        for name, button in self._buttons.items():
            button.setVisible(name in self._order)

    def setActiveEffectByName(self, name: str) -> None:
        for key, button in self._buttons.items():
            button.setChecked(key == name)
        if self._node is not None:
            self._node.SetActiveEffectName(name)
        self.views_observed = bool(name)

    def setActiveEffect(self, effect) -> None:
        self.setActiveEffectByName("")

    def installKeyboardShortcuts(self, parent=None) -> None:
        self.shortcuts_installed = True

    def uninstallKeyboardShortcuts(self) -> None:
        self.shortcuts_installed = False

    def setupViewObservations(self) -> None:
        self.views_observed = True

    def removeViewObservations(self) -> None:
        self.views_observed = False

    def updateWidgetFromMRML(self) -> None:
        if self._node is not None:
            for key, button in self._buttons.items():
                button.setChecked(key == (self._node.GetActiveEffectName() or ""))

    def brush(self, ras, radius_mm: float = 4.0) -> None:
        """What a click of the active effect in a slice view does; called by the host's slice views."""
        name = self._node.GetActiveEffectName() if self._node is not None and self.views_observed else ""
        segmentation, volume = self.segmentationNode(), self.sourceVolumeNode()
        if name not in ("Paint", "Erase") or segmentation is None or volume is None:
            return
        segment_id = self._node.GetSelectedSegmentID()
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume)
        matrix = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(matrix)
        ras_from_ijk = slicer.util.arrayFromVTKMatrix(matrix)
        centre = np.linalg.inv(ras_from_ijk) @ [*ras, 1.0]
        reach = np.ceil(radius_mm / np.linalg.norm(ras_from_ijk[:3, :3], axis=0)).astype(int)
        low = np.maximum(np.round(centre[:3]).astype(int) - reach, 0)
        high = np.minimum(np.round(centre[:3]).astype(int) + reach + 1, voxels.shape[::-1])
        grid = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), -1)
        near = np.linalg.norm((grid - centre[:3]) @ ras_from_ijk[:3, :3].T, axis=-1) <= radius_mm
        block = voxels[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        block[near.transpose(2, 1, 0)] = 1 if name == "Paint" else 0
        slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, segmentation, segment_id, volume)

    def _flag(name):
        return QtCore.Property(
            bool, lambda self: self._flags.get(name, True), lambda self, on: self._flags.__setitem__(name, on)
        )

    unorderedEffectsVisible = _flag("unordered")
    segmentationNodeSelectorVisible = _flag("segmentation")
    sourceVolumeNodeSelectorVisible = _flag("source")
    switchToSegmentationsButtonVisible = _flag("switch")
    addRemoveSegmentButtonsVisible = _flag("add")
    show3DButtonVisible = _flag("show3d")
    maskingSectionVisible = _flag("masking")
    undoEnabled = _flag("undo")

    def setMaximumNumberOfUndoStates(self, number: int) -> None:
        self._flags["states"] = number


WIDGETS = {
    c.__name__: c
    for c in (qMRMLWidget, ctkCollapsibleButton, ctkPathLineEdit, qMRMLNodeComboBox, qMRMLSegmentEditorWidget)
}


def picture_of(widget: QtWidgets.QWidget) -> QtGui.QPixmap:
    """The widget as it would be on screen."""
    return widget.grab()
