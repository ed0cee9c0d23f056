"""Offscreen slice, 3D and plot views drawn by the real displayable managers of `slicer-core`."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
)


def register_managers(application_logic) -> None:
    """Tell the two factories which displayable managers a view has."""
    for factory, names in (
        (slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), SLICE_MANAGERS),
        (slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), THREE_D_MANAGERS),
    ):
        factory.SetMRMLApplicationLogic(application_logic)
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)


class _View:
    def __init__(self, size: tuple[int, int]) -> None:
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetNumberOfLayers(3)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.size = size

    def picture(self) -> np.ndarray:
        """RGB picture, shape (rows, columns, 3), first row on top."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)
        return array[::-1, :, :3].copy()


class SliceView(_View):
    """One slice view: `name` is "Red", "Yellow" or "Green"."""

    def __init__(self, core, name: str, orientation: str, size: tuple[int, int] = (400, 400)) -> None:
        super().__init__(size)
        self.core, self.name, self.orientation = core, name, orientation
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(core.applicationLogic)
        core.applicationLogic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(core.scene)
        self.mapper = vtk.vtkImageMapper()
        self.mapper.SetColorWindow(255)
        self.mapper.SetColorLevel(127.5)
        self.mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(self.mapper)
        # Before the displayable managers' actors: they are drawn over the image in the order of adding.
        self.renderer.AddViewProp(self.actor)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        self.node = None
        self.use_node()
        self.group = factory.InstantiateDisplayableManagers(self.renderer)
        self.group.SetMRMLDisplayableNode(self.node)
        self.logic.SetDisplayableManagerGroup(self.group)

    def use_node(self) -> None:
        """(Re)connect to the slice node of this layout name, made when the scene has none."""
        scene = self.core.scene
        node = scene.GetSingletonNode(self.name, "vtkMRMLSliceNode")
        if node is None:
            node = self.logic.AddSliceNode(self.name)
        node.SetOrientation(self.orientation)
        self.logic.SetSliceNode(node)
        composite = slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(node)
        if composite is not None:
            self.logic.SetSliceCompositeNode(composite)
        node.SetMappedInLayout(1)
        self.logic.ResizeSliceNode(*self.size)
        self.node = node
        if hasattr(self, "group"):
            self.group.SetMRMLDisplayableNode(node)
            # A scene that was read changed the node while events were held back.
            node.Modified()

    def picture(self) -> np.ndarray:
        self.mapper.SetInputConnection(self.logic.GetImageDataConnection())
        shown = self.logic.GetImageDataConnection() is not None and self.logic.GetBackgroundLayer().GetVolumeNode()
        self.actor.SetVisibility(bool(shown))
        return super().picture()

    def pixel_at(self, ras_mm) -> tuple[int, int]:
        """(row, column) of a place in the picture; the place must lie in the slice."""
        xy_from_ras = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), xy_from_ras)
        x, y, _, _ = xy_from_ras.MultiplyPoint([*ras_mm, 1.0])
        return self.size[1] - 1 - round(y), round(x)

    def ras_at(self, row: float, column: float) -> np.ndarray:
        """RAS (mm) of a pixel of the picture."""
        return np.array(self.node.GetXYToRAS().MultiplyPoint([column, self.size[1] - 1 - row, 0.0, 1.0])[:3])


class ThreeDView(_View):
    """The 3D view."""

    def __init__(self, core, size: tuple[int, int] = (400, 400)) -> None:
        super().__init__(size)
        self.core = core
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(core.applicationLogic)
        core.applicationLogic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(core.scene)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        self.node = None
        self.use_node()
        self.group = factory.InstantiateDisplayableManagers(self.renderer)
        self.group.SetMRMLDisplayableNode(self.node)

    def use_node(self) -> None:
        scene = self.core.scene
        node = scene.GetSingletonNode("1", "vtkMRMLViewNode")
        if node is None:
            node = self.logic.AddViewNode("1")
        node.SetMappedInLayout(1)
        node.SetBoxVisible(0)
        node.SetAxisLabelsVisible(0)
        self.node = node
        if hasattr(self, "group"):
            self.group.SetMRMLDisplayableNode(node)

    def look_from(self, direction) -> None:
        """Point the camera at everything shown, from `direction` (RAS)."""
        self.renderer.ResetCamera()
        camera = self.renderer.GetActiveCamera()
        focus, distance = np.array(camera.GetFocalPoint()), camera.GetDistance()
        direction = np.asarray(direction, float) / np.linalg.norm(direction)
        camera.SetPosition(*(focus + direction * distance))
        camera.SetViewUp(0, 0, 1)
        self.renderer.ResetCamera()
        camera.Zoom(1.3)


class PlotView:
    """A plot chart node drawn by VTK's charts; only what this extension's charts use."""

    def __init__(self, core, size: tuple[int, int] = (600, 400)) -> None:
        self.core, self.size = core, size

    def picture(self, chart_node) -> np.ndarray:
        view = vtk.vtkContextView()
        window = view.GetRenderWindow()
        window.SetOffScreenRendering(1)
        window.SetSize(*self.size)
        view.GetRenderer().SetBackground(1, 1, 1)
        chart = vtk.vtkChartXY()
        chart.SetTitle(chart_node.GetTitle() or "")
        chart.SetShowLegend(bool(chart_node.GetLegendVisibility()))
        chart.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(chart_node.GetXAxisTitle() or "")
        chart.GetAxis(vtk.vtkAxis.LEFT).SetTitle(chart_node.GetYAxisTitle() or "")
        view.GetScene().AddItem(chart)
        for index in range(chart_node.GetNumberOfPlotSeriesNodes()):
            self._add(chart, chart_node.GetNthPlotSeriesNode(index))
        for place, automatic, limits in (
            (vtk.vtkAxis.BOTTOM, chart_node.GetXAxisRangeAuto(), chart_node.GetXAxisRange()),
            (vtk.vtkAxis.LEFT, chart_node.GetYAxisRangeAuto(), chart_node.GetYAxisRange()),
        ):
            if not automatic:
                chart.GetAxis(place).SetBehavior(vtk.vtkAxis.FIXED)
                chart.GetAxis(place).SetRange(*limits)
        window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        grab.Update()
        columns, rows, _ = grab.GetOutput().GetDimensions()
        array = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(rows, columns, -1)
        return array[::-1, :, :3].copy()

    def _add(self, chart, series) -> None:
        table = series.GetTableNode().GetTable()
        x = table.GetColumnByName(series.GetXColumnName()) if series.GetXColumnName() else None
        y = table.GetColumnByName(series.GetYColumnName())
        if y is None:
            return
        bar = series.GetPlotType() in (series.PlotTypeBar, series.PlotTypeScatterBar)
        plot = chart.AddPlot(vtk.vtkChart.BAR if bar else vtk.vtkChart.LINE)
        drawn = vtk.vtkTable()
        place = vtk.vtkDoubleArray()
        place.SetName("place")
        for index in range(table.GetNumberOfRows()):
            place.InsertNextValue(index if x is None or x.IsA("vtkStringArray") else x.GetValue(index))
        drawn.AddColumn(place)
        drawn.AddColumn(y)
        plot.SetInputData(drawn, 0, 1)
        plot.SetColor(*[round(255 * c) for c in series.GetColor()], 255)
        plot.SetLabel(series.GetName())
        if not bar:
            plot.SetWidth(series.GetLineWidth() if series.GetLineStyle() else 0)
            plot.SetMarkerStyle(series.GetMarkerStyle())
            plot.SetMarkerSize(series.GetMarkerSize())
