"""The application around the panel: main window, views that can be clicked, module loading, message boxes."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer
import slicer.util
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from . import qt_modules, scripted_modules, slicer_source, views, widgets
from .core import Core
from .layouts import LayoutManager

ROOT = Path(__file__).resolve().parents[3]
MODULE_FOLDERS = (ROOT / "RegionalBrainAge", ROOT / "RegionalBrainAgeCohort")
_ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


def _pixmap(array: np.ndarray) -> QtGui.QPixmap:
    rows, columns, _ = array.shape
    data = np.ascontiguousarray(array)
    image = QtGui.QImage(data.data, columns, rows, 3 * columns, QtGui.QImage.Format.Format_RGB888)
    return QtGui.QPixmap.fromImage(image.copy())


class Host:
    """One application per process."""

    def __init__(self) -> None:
        self.qt = QtWidgets.QApplication.instance() or QtWidgets.QApplication(sys.argv[:1])
        self.core = Core()
        self.packaging = scripted_modules.install()
        self._at_start: list = []
        slicer.mrmlScene = self.core.scene
        slicer.modules = self.core.modules()
        # Removed when the process ends.
        self._temporary = tempfile.TemporaryDirectory(prefix="slicer-host-")
        self.temporary = Path(self._temporary.name)
        slicer.app = self._application()
        for name in widgets.WIDGETS:
            setattr(slicer, name, widgets.WIDGETS[name])
        qt_modules.install(widgets.WIDGETS)
        self._replace_utilities()
        if slicer_source.source_folder() is not None:
            slicer_source.complete_application()
            slicer_source.load(slicer_source.source_folder())
        views.register_managers(self.core.applicationLogic)
        self.slices = {name: views.SliceView(self.core, name, o) for name, o in _ORIENTATIONS.items()}
        self.three_d = views.ThreeDView(self.core)
        self.plot = views.PlotView(self.core)
        self.layouts = LayoutManager(self.core, self.slices, self.three_d)
        self.errors: list[str] = []
        self._keep_subject_hierarchy()
        self._watch_removals()
        self.core.scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, lambda *_: self._views_again())
        self.core.scene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, lambda *_: self._views_again())
        self.window = QtWidgets.QWidget()
        self.window.setObjectName("qSlicerMainWindow")
        self._modules: dict[str, object] = {}
        self._interpreter()
        self._module_folders()

    # The application object

    def _application(self) -> SimpleNamespace:
        environment = QtCore.QProcessEnvironment.systemEnvironment()
        return SimpleNamespace(
            applicationName="Slicer",
            applicationLogic=lambda: self.core.applicationLogic,
            layoutManager=lambda: self.layouts,
            testingEnabled=lambda: False,
            processEvents=self.qt.processEvents,
            temporaryPath=str(self.temporary),
            startupEnvironment=lambda: environment,
            setOverrideCursor=lambda *_: None,
            restoreOverrideCursor=lambda: None,
            connect=self._at_signal,
            os=sys.platform,
        )

    def _at_signal(self, signal: str, slot) -> None:
        if signal == "startupCompleted()":
            self._at_start.append(slot)

    def _keep_subject_hierarchy(self) -> None:
        """An item for every data node that is added, as the application's plugins make it; not during an import."""
        kinds = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode")

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(scene, _event, node=None) -> None:
            if scene.IsImporting() or node.GetHideFromEditors() or not any(node.IsA(kind) for kind in kinds):
                return
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

        self.core.scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added)

    def _watch_removals(self) -> None:
        """Errors where the application's subject hierarchy logs them, and parts that go with their node as there."""
        parts: dict[str, list] = {}

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def about_to_be_removed(scene, _event, node=None) -> None:
            if scene.IsClosing():
                return
            if node is None or node.GetScene() is None:
                name = f"{node.GetClassName()} {node.GetName()}" if node is not None else "no node"
                self.errors.append(f"Failed to access subject hierarchy node ({name} is in no scene)")
            elif node.IsA("vtkMRMLDisplayableNode"):
                shown = [node.GetNthDisplayNode(i) for i in range(node.GetNumberOfDisplayNodes())]
                stored = [node.GetNthStorageNode(i) for i in range(node.GetNumberOfStorageNodes())]
                parts[node.GetID()] = [part for part in (*shown, *stored) if part is not None]
            if node is not None and node.GetScene() is not None and not node.IsA("vtkMRMLSubjectHierarchyNode"):
                hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
                item = hierarchy.GetItemByDataNode(node)
                if item:
                    hierarchy.RemoveItem(item, False, False)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def removed(scene, _event, node=None) -> None:
            for part in parts.pop(node.GetID(), []) if not scene.IsClosing() else []:
                if part.GetScene() is not None:
                    scene.RemoveNode(part)

        self.core.scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, about_to_be_removed)
        self.core.scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, removed)

    def _replace_utilities(self) -> None:
        util = slicer.util
        util.loadVolume = self.load_volume
        util.loadLabelVolume = lambda f, p=None: self.load_volume(f, {**(p or {}), "labelmap": True})
        util.saveNode = self.core.save_node
        util.saveScene = self.core.save_scene
        util.loadScene = self.load_scene
        util.mainWindow = lambda *_: self.window
        util.modulePath = lambda name: getattr(slicer.modules, name.lower()).path
        util.selectModule = lambda name: None
        util.childWidgetVariables = _child_widget_variables

    def load_scene(self, filename, properties=None) -> bool:
        done = self.core.load_scene(filename, properties)
        # While the scene is being read the views hold back; the application draws them again afterwards.
        self._views_again()
        return done

    def load_volume(self, filename, properties=None):
        # The application reads FreeSurfer's MGZ; the ITK of slicer-core was built without it.
        if str(filename).endswith((".mgz", ".mgh")):
            import nibabel as nib

            path = self.temporary / (Path(filename).name.rsplit(".", 1)[0] + ".nii")
            image = nib.load(filename)
            nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine), path)
            node = self.core.load_volume(path, properties)
            node.GetStorageNode().SetFileName(str(filename))
            return node
        return self.core.load_volume(filename, properties)

    def _interpreter(self) -> None:
        """PythonSlicer on the PATH, as in the application: this interpreter under that name."""
        folder = self.temporary / "bin"
        folder.mkdir()
        script = folder / "PythonSlicer"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        assert shutil.which("PythonSlicer")

    # Modules

    @staticmethod
    def _module_folders() -> None:
        """The folders of the modules are on the path, as Slicer's folder of scripted modules is."""
        for folder in MODULE_FOLDERS:
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
            for package in folder.glob("*Slicer"):
                for file in package.rglob("*.py"):
                    qt_modules.attribute_style(".".join(file.relative_to(folder).with_suffix("").parts))

    def load_module(self, name: str):
        """Load ``<name>.py`` as the application does at start-up; no panel yet. Returns the Python module."""
        path = next(folder / f"{name}.py" for folder in MODULE_FOLDERS if (folder / f"{name}.py").exists())
        qt_modules.attribute_style(name)
        setattr(slicer.modules, name.lower(), scripted_modules.module_entry(name, str(path)))
        module = importlib.import_module(name)
        parent = SimpleNamespace(path=str(path), title="", categories=[], dependencies=[], contributors=[])
        getattr(module, name)(parent)
        while self._at_start:
            self._at_start.pop(0)()
        return module

    def open_module(self, name: str):
        """Load a module and build its panel. Returns (python module, widget instance)."""
        module = self.load_module(name)
        holder = QtWidgets.QWidget()
        QtWidgets.QVBoxLayout(holder)
        holder.isEntered = False
        widget = getattr(module, f"{name}Widget")(holder)
        widget.setup()
        holder.isEntered = True
        widget.enter()
        self._modules[name] = widget
        return module, widget

    def close_module(self, name: str) -> None:
        """What the application does with a panel when it closes."""
        widget = self._modules.pop(name)
        widget.parent.isEntered = False
        widget.exit()
        widget.cleanup()
        widget.parent.hide()
        widget.parent.deleteLater()
        self.qt.processEvents()

    # Views

    def _views_again(self) -> None:
        for view in (*self.slices.values(), self.three_d):
            view.use_node()

    def click_in_slice(self, name: str, ras) -> None:
        """A click of the mouse at a place that lies in the slice."""
        self._click(self.slices[name], *self.slices[name].pixel_at(ras))

    def _click(self, view, row: float, column: float) -> None:
        for widget in self._modules.values():
            for editor in widget.parent.findChildren(widgets.qMRMLSegmentEditorWidget):
                editor.brush(view.ras_at(row, column))

    def screenshot(
        self,
        name: str,
        path: Path | str | None = None,
        panel_width: int = 560,
        section: QtWidgets.QWidget | None = None,
        look_from: tuple[float, float, float] = (-0.9, 0.8, 0.5),
    ) -> QtGui.QPixmap:
        """The panel beside the slices, the 3D view and the plot, as one picture; saved if `path` is given.

        With `section`, only that part of the panel, and the whole 1280 pixels wide. `look_from`: where the 3D view's
        camera stands.
        """
        panel = self._modules[name].parent
        for _ in range(4):
            self.qt.processEvents()
            panel.resize(panel_width, panel.layout().totalHeightForWidth(panel_width))
        pictures = []
        for view in self.slices.values():
            view.picture()
            pictures.append(_pixmap(view.picture()))
        self.three_d.look_from(look_from)
        pictures.append(_pixmap(self.three_d.picture()))
        chart = slicer.mrmlScene.GetNodeByID(self.core.applicationLogic.GetSelectionNode().GetActivePlotChartID() or "")
        if chart is not None:
            pictures.append(_pixmap(self.plot.picture(chart)).scaledToHeight(400))
        left = panel.grab()
        if section is not None:
            top = section.mapTo(panel, QtCore.QPoint(0, 0)).y()
            left = left.copy(0, top, panel_width, section.height())
        places = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
        if section is not None and chart is None and not _something_in_3d():
            pictures = pictures[:3]
        canvas = QtGui.QPixmap(left.width() + 3 * 404, max(left.height(), 808 if len(pictures) > 3 else 400))
        canvas.fill(QtGui.QColor(60, 60, 60))
        painter = QtGui.QPainter(canvas)
        painter.drawPixmap(0, 0, left)
        for picture, (column, row) in zip(pictures, places, strict=False):
            painter.drawPixmap(left.width() + 4 + 404 * column, 404 * row, picture)
        painter.end()
        if section is not None:
            canvas = canvas.scaledToWidth(1280, QtCore.Qt.TransformationMode.SmoothTransformation)
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            canvas.save(str(path))
        return canvas

    def wait(self, condition, timeout_s: float = 60.0) -> bool:
        """Run the event loop until `condition()` holds. False when time is up.

        A real loop with timers, not repeated calls of processEvents: each of those loses a reference to None in
        PySide6 6.12, until Python stops.
        """
        if condition():
            return True
        loop, check, limit = QtCore.QEventLoop(), QtCore.QTimer(), QtCore.QTimer()
        check.timeout.connect(lambda: loop.quit() if condition() else None)
        limit.setSingleShot(True)
        limit.timeout.connect(loop.quit)
        check.start(10)
        limit.start(int(1000 * timeout_s))
        loop.exec()
        check.stop()
        return bool(condition())


def _child_widget_variables(widget) -> SimpleNamespace:
    # As slicer.util's, whose `name` PySide6 calls objectName.
    found = SimpleNamespace()
    for child in widget.findChildren(QtWidgets.QWidget):
        if child.objectName():
            setattr(found, child.objectName(), child)
    return found


def _something_in_3d() -> bool:
    segmentations = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return any(node.GetSegmentation().ContainsRepresentation("Closed surface") for node in segmentations)
