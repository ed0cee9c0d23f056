"""The parts of the application that need no Qt: scene, module logics, `slicer.app`, `slicer.modules`, file reading.

Everything below a stand-in is the real library of PyPI's `slicer-core`. The order of the first lines of `Core` matters.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import slicer
import slicer.util
import vtk


class Core:
    """A scene with the logics of the modules this extension uses."""

    def __init__(self) -> None:
        vtk.vtkObject.GlobalWarningDisplayOff()
        self.temporary = tempfile.TemporaryDirectory(prefix="slicer-host-")
        self.applicationLogic = slicer.vtkSlicerApplicationLogic()
        self.applicationLogic.SetTemporaryPath(self.temporary.name)
        _share = Path(self.temporary.name) / "share"
        _share.mkdir()
        self.applicationLogic.SetShareDirectory(str(_share))
        self.applicationLogic.SetHomeDirectory(str(_share))
        self.scene = slicer.vtkMRMLScene()
        self.applicationLogic.SetMRMLScene(self.scene)
        self.applicationLogic.SetSliceLogics(vtk.vtkCollection())
        self.applicationLogic.SetViewLogics(vtk.vtkCollection())
        self.logics: dict[str, object] = {}
        self._add("terminologies", slicer.vtkSlicerTerminologiesModuleLogic())
        self._add("subjecthierarchy", slicer.vtkSlicerSubjectHierarchyModuleLogic())
        self._add("segmentations", slicer.vtkSlicerSegmentationsModuleLogic())
        self._add("colors", slicer.vtkSlicerColorLogic())
        self._add("volumes", slicer.vtkSlicerVolumesLogic())
        self._add("markups", slicer.vtkSlicerMarkupsLogic())
        self._add("models", slicer.vtkSlicerModelsLogic())
        self._add("tables", slicer.vtkSlicerTablesLogic())
        self._add("plots", slicer.vtkSlicerPlotsLogic())
        self.applicationLogic.SetColorLogic(self.logics["colors"])
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        self.logics["colors"].AddDefaultColorNodes()
        self.add_singletons()
        self.scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, lambda *_: self.add_singletons())

    def _add(self, name: str, logic: object) -> None:
        logic.SetMRMLApplicationLogic(self.applicationLogic)
        logic.SetMRMLScene(self.scene)
        # Module logics are looked up by name inside the library too.
        self.applicationLogic.SetModuleLogic(name.capitalize(), logic)
        self.logics[name] = logic

    def add_singletons(self) -> None:
        """The nodes that the application always has."""
        for class_name, tag in (
            ("vtkMRMLSelectionNode", "Singleton"),
            ("vtkMRMLInteractionNode", "Singleton"),
            ("vtkMRMLCrosshairNode", "default"),
        ):
            if self.scene.GetSingletonNode(tag, class_name) is None:
                node = self.scene.CreateNodeByClass(class_name)
                node.UnRegister(None)
                node.SetSingletonTag(tag)
                self.scene.AddNode(node)

    def modules(self) -> SimpleNamespace:
        """What `slicer.modules` offers: an entry per module with its logic."""
        return SimpleNamespace(**{name: SimpleNamespace(logic=lambda x=x: x) for name, x in self.logics.items()})

    # Reading and writing that the application does through its I/O manager, here through the same logics.

    def load_volume(self, filename: str, properties: dict | None = None):
        properties = properties or {}
        options = (1 if properties.get("labelmap") else 0) | (4 if properties.get("singleFile") else 0)
        node = self.logics["volumes"].AddArchetypeVolume(
            str(filename), properties.get("name") or _stem(filename), options
        )
        if node is None:
            raise RuntimeError(f"Failed to load node from file: {filename}")
        if properties.get("show", True):
            slicer.util.setSliceViewerLayers(background=node, fit=True)
        return node

    def save_node(self, node, filename: str, properties: dict | None = None) -> bool:
        storage = node.CreateDefaultStorageNode() if not node.GetStorageNode() else node.GetStorageNode()
        self.scene.AddNode(storage)
        node.SetAndObserveStorageNodeID(storage.GetID())
        storage.SetFileName(str(filename))
        storage.SetUseCompression(1 if (properties or {}).get("useCompression", True) else 0)
        return bool(storage.WriteData(node))

    def save_scene(self, folder: str, properties: dict | None = None) -> bool:
        """A scene as a folder with one file per node (what a .mrb holds before it is zipped)."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        return bool(self.applicationLogic.SaveSceneToSlicerDataBundleDirectory(str(folder), None))

    def load_scene(self, filename: str, properties: dict | None = None) -> bool:
        """Into the scene that is open, unless `properties` say "clear", as the application's reader does."""
        self.scene.SetURL(str(filename))
        return bool(self.scene.Connect() if (properties or {}).get("clear") else self.scene.Import())


def _stem(filename: str) -> str:
    return Path(filename).name.split(".")[0]
