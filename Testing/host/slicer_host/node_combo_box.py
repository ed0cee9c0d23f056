"""A stand-in for qMRMLNodeComboBox with the application's rules of choosing; see Testing/host/README.md."""

from __future__ import annotations

import vtk
from PySide6 import QtCore, QtWidgets


class _SortFilterProxyModel:
    """The one member of qMRMLSortFilterProxyModel that the panels use."""

    def __init__(self, changed) -> None:
        self._hidden: list[str] = []
        self._changed = changed

    @property
    def hiddenNodeIDs(self) -> list[str]:
        return list(self._hidden)

    @hiddenNodeIDs.setter
    def hiddenNodeIDs(self, identifiers) -> None:
        if list(identifiers) != self._hidden:
            self._hidden = list(identifiers)
            self._changed()


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """Chooses among the scene's nodes of some classes.

    Rows come and go one by one, so Qt itself chooses a neighbour when the row of the chosen node goes. While a scene is
    imported no rows are added; after it they are all made anew, and the choice is lost.
    """

    currentNodeChanged = QtCore.Signal(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene, self._types, self._none = None, ["vtkMRMLNode"], False
        # As in the application: child classes are offered unless the .ui says otherwise.
        self._flags = {"children": True}
        self._proxy = _SortFilterProxyModel(self._filter)
        self.currentIndexChanged.connect(lambda *_: self.currentNodeChanged.emit(self.currentNode()))

    def sortFilterProxyModel(self) -> _SortFilterProxyModel:
        return self._proxy

    def setMRMLScene(self, scene) -> None:
        if scene is self._scene:
            return
        self._scene = scene
        for event, slot in (
            (scene.NodeAddedEvent, self._on_added),
            (scene.NodeAboutToBeRemovedEvent, self._on_removed),
            (scene.EndCloseEvent, lambda node: self._make_anew()),
            (scene.EndImportEvent, lambda node: self._make_anew()),
        ):
            tag = scene.AddObserver(event, _with_node(slot))
            self.destroyed.connect(lambda *_, tag=tag: scene.RemoveObserver(tag))
        self._make_anew()

    def _offers(self, node) -> bool:
        if node.GetHideFromEditors() or node.GetID() in self._proxy.hiddenNodeIDs:
            return False
        return any(node.GetClassName() == kind or (self._flags["children"] and node.IsA(kind)) for kind in self._types)

    def _on_added(self, node) -> None:
        if not self._scene.IsImporting() and self._offers(node):
            self.addItem(node.GetName(), node.GetID())

    def _on_removed(self, node) -> None:
        index = self.findData(node.GetID())
        if index >= 0 and node.GetID() and not self._scene.IsClosing():
            self.removeItem(index)

    def _nodes(self) -> list:
        found = self._scene.GetNodes() if self._scene is not None else None
        nodes = [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())] if found is not None else []
        return [node for node in nodes if self._offers(node)]

    def _make_anew(self) -> None:
        first = 1 if self._none else 0
        if self._none and self.count() == 0:
            self.addItem("None", "")
        for index in range(self.count() - 1, first - 1, -1):
            self.removeItem(index)
        if self._scene is not None and not self._scene.IsClosing():
            for node in self._nodes():
                self.addItem(node.GetName(), node.GetID())

    def _filter(self) -> None:
        """Rows of nodes that are hidden now go; rows of those that are shown again come last."""
        offered = {node.GetID(): node for node in self._nodes()}
        for index in range(self.count() - 1, -1, -1):
            if self.itemData(index) and self.itemData(index) not in offered:
                self.removeItem(index)
        for identifier, node in offered.items():
            if self.findData(identifier) < 0:
                self.addItem(node.GetName(), identifier)

    def currentNode(self):
        identifier = self.currentData()
        return self._scene.GetNodeByID(identifier) if self._scene is not None and identifier else None

    def setCurrentNode(self, node) -> None:
        index = self.findData(node.GetID()) if node is not None else -1
        self.setCurrentIndex(index if index >= 0 else (0 if self._none else -1))

    def getTypes(self):
        return self._types

    def setTypes(self, types) -> None:
        self._types = list(types)
        self._filter()

    def getNone(self) -> bool:
        return self._none

    def setNone(self, on: bool) -> None:
        if on and not self._none:
            self.insertItem(0, "None", "")
        self._none = on

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


def _with_node(slot):
    """A VTK observer that is given the node of a scene's event."""

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def observer(_caller, _event, node=None) -> None:
        slot(node)

    return observer
