"""A stand-in for qSlicerLayoutManager over the real layout logic; see Testing/host/README.md."""

from __future__ import annotations

from types import SimpleNamespace

import slicer


class LayoutManager:
    """The members of qSlicerLayoutManager that this extension uses. One per application.

    Parameters
    ----------
    core : the host's scene and logics; the layout logic makes the nodes of a layout's views when the layout is set.
    slices, three_d : drawn views by name, and the 3D view.
    """

    def __init__(self, core, slices: dict, three_d) -> None:
        self._core, self._slices, self._three_d = core, slices, three_d
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(core.applicationLogic)
        self._logic.SetMRMLScene(core.scene)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def layoutLogic(self):
        return self._logic

    def setLayout(self, identifier: int) -> None:
        """Nothing for the layout that is set; an unknown one becomes the conventional one."""
        node = self._logic.GetLayoutNode()
        if self.layout == identifier:
            return
        if not node.IsLayoutDescription(identifier):
            identifier = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
        node.RemoveAllMaximizedViewNodes()
        node.SetViewArrangement(identifier)

    @property
    def layout(self) -> int:
        return self._logic.GetLayoutNode().GetViewArrangement()

    def visible_views(self) -> list[str]:
        """Layout names of the views on screen; the application's windows show the same. For tests."""
        nodes = self._logic.GetViewNodes()
        return [nodes.GetItemAsObject(i).GetLayoutName() for i in range(nodes.GetNumberOfItems())]

    def _shown(self, class_name: str) -> list:
        nodes = self._logic.GetViewNodes()
        return [n for n in (nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems())) if n.IsA(class_name)]

    def sliceViewNames(self) -> list[str]:
        return list(self._slices)

    def sliceWidget(self, name: str):
        view = self._slices[name]
        return SimpleNamespace(
            mrmlSliceNode=lambda: view.node,
            sliceLogic=lambda: view.logic,
            mrmlSliceCompositeNode=lambda: view.logic.GetSliceCompositeNode(),
        )

    def mrmlSliceLogics(self):
        return self._core.applicationLogic.GetSliceLogics()

    @property
    def plotViewCount(self) -> int:
        return len(self._shown("vtkMRMLPlotViewNode"))

    @property
    def tableViewCount(self) -> int:
        return len(self._shown("vtkMRMLTableViewNode"))

    @property
    def threeDViewCount(self) -> int:
        return 1

    def threeDWidget(self, index: int):
        renderer = self._three_d.renderer
        view = SimpleNamespace(resetFocalPoint=renderer.ResetCamera, resetCamera=renderer.ResetCamera)
        return SimpleNamespace(threeDView=lambda: view, mrmlViewNode=lambda: self._three_d.node)
