"""A stand-in for qMRMLSegmentEditorWidget, as late as the application's in following a scene; see the README."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
import vtk
from PySide6 import QtCore, QtWidgets

from .node_combo_box import qMRMLNodeComboBox


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
        self._tag = None
        self._selector = qMRMLNodeComboBox(self)
        self._selector.setNone(True)
        self._selector.setTypes(["vtkMRMLSegmentationNode"])
        self._selector.setVisible(False)
        self._selector.currentNodeChanged.connect(self._chosen)

    def setMRMLScene(self, scene) -> None:
        if scene is self._scene:
            return
        self._scene = scene
        self._selector.setMRMLScene(scene)
        for event, slot in (
            (scene.EndCloseEvent, self.updateWidgetFromMRML),
            (scene.EndBatchProcessEvent, self._batch_ended),
        ):
            tag = scene.AddObserver(event, lambda *_, slot=slot: slot())
            self.destroyed.connect(lambda *_, tag=tag: scene.RemoveObserver(tag))

    def setMRMLSegmentEditorNode(self, node) -> None:
        if node is self._node:
            return
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRML())
            self.destroyed.connect(lambda *_: node.RemoveObserver(tag))
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self):
        return self._node

    def setSegmentationNode(self, node) -> None:
        if self._node is None or self._node.GetSegmentationNode() is node:
            return
        self._node.SetAndObserveSegmentationNode(node)
        self.setActiveEffect(None)

    def segmentationNode(self):
        """What the selector shows, which is not always what the parameter node says."""
        return self._selector.currentNode()

    def setSourceVolumeNode(self, node) -> None:
        if self._node is not None:
            self._node.SetAndObserveSourceVolumeNode(node)

    def sourceVolumeNode(self):
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def _chosen(self, node) -> None:
        if self._scene is not None and not self._scene.IsBatchProcessing():
            self.setSegmentationNode(node)

    def _batch_ended(self) -> None:
        """After an import: the selector's choice wins over the parameter node's."""
        if self._node is not None and self._node.GetSegmentationNode() is not self._selector.currentNode():
            self.setSegmentationNode(self._selector.currentNode())
        self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self) -> None:
        if self._scene is None or self._scene.IsClosing() or self._scene.IsBatchProcessing() or self._node is None:
            return
        segmentation = self._node.GetSegmentationNode()
        blocked = self._selector.blockSignals(True)
        self._selector.setCurrentNode(segmentation)
        self._selector.blockSignals(blocked)
        if segmentation is not None and segmentation.GetSegmentation().GetNumberOfSegments():
            inner = segmentation.GetSegmentation()
            if inner.GetSegmentIndex(self._node.GetSelectedSegmentID() or "") < 0:
                self._node.SetSelectedSegmentID(inner.GetNthSegmentID(0))
        for key, button in self._buttons.items():
            button.setChecked(key == (self._node.GetActiveEffectName() or ""))
            button.setEnabled(segmentation is not None)

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
