"""A stand-in for ``slicer.parameterNodeWrapper``: typed values kept in a script node and bound to widgets by name.

Only types and widgets that the application's own wrapper binds: str, float, int, bool, pathlib.Path and node classes.
"""

from __future__ import annotations

import pathlib
import typing

import slicer
import vtk

PROPERTY = "SlicerParameterName"


def _to_text(value) -> str:
    return "" if value is None else str(value)


def _from_text(text: str, kind: type):
    if kind is bool:
        return text == "True"
    return kind(text)


def _make_property(name: str, kind: type, default):
    is_node = isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)

    def read(self):
        node = self.parameterNode
        if is_node:
            return node.GetNodeReference(name)
        return (
            _from_text(node.GetParameter(name), kind)
            if node.GetParameterCount() and name in set(node.GetParameterNames())
            else default
        )

    def write(self, value):
        node = self.parameterNode
        if is_node:
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"{name} is a {kind.__name__}")
            node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
            node.Modified()
        else:
            if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
                raise TypeError(f"{name} is of type {kind.__name__}, not {type(value).__name__}")
            node.SetParameter(name, _to_text(value))

    return property(read, write)


class _Connector:
    """One widget and one parameter."""

    def __init__(self, widget, kind: type, changed) -> None:
        self.widget = widget
        names = [c.__name__ for c in type(widget).__mro__]
        if "qMRMLNodeComboBox" in names:
            self.read, self.write, signal = widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged
        elif "ctkPathLineEdit" in names and kind is pathlib.Path:
            self.read = lambda: pathlib.Path(widget.currentPath)
            self.write = lambda v: setattr(widget, "currentPath", str(v) if str(v) != "." else "")
            signal = widget.currentPathChanged
        elif ("QDoubleSpinBox" in names and kind is float) or ({"QSpinBox", "QSlider"} & set(names) and kind is int):
            self.read, self.write, signal = widget.value, widget.setValue, widget.valueChanged
        elif "QCheckBox" in names and kind is bool:
            self.read, self.write, signal = widget.isChecked, widget.setChecked, widget.toggled
        elif "QComboBox" in names and kind is str:
            self.read, self.write = widget.currentText, lambda v: widget.setCurrentIndex(max(widget.findText(v), 0))
            signal = widget.currentIndexChanged
        elif "QLineEdit" in names and kind is str:
            self.read, self.write, signal = widget.text, self._write_text, widget.textChanged
        else:
            raise RuntimeError(f"no connector of {kind.__name__} to {names[0]}")
        self.signal, self.slot = signal, lambda *_: changed(self)
        self.signal.connect(self.slot)

    def _write_text(self, text: str) -> None:
        if self.widget.text() != text:
            self.widget.setText(text)

    def disconnect(self) -> None:
        self.signal.disconnect(self.slot)


class _Wrapper:
    def __init__(self, parameterNode, prefix=None) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple] = {}
        self._updating = False
        names = set(parameterNode.GetParameterNames())
        for name, (kind, default) in self.allParameters.items():
            if not issubclass(kind, slicer.vtkMRMLNode) and name not in names:
                parameterNode.SetParameter(name, _to_text(default))

    def connectGui(self, gui) -> int:
        connectors = {}
        for widget in vars(gui).values():
            name = widget.property(PROPERTY)
            if name:
                kind, _ = self.allParameters[name]
                connectors[name] = _Connector(widget, kind, lambda c, name=name: self._from_gui(name, c))
                self._write_gui(connectors[name], name)
        tag = len(self._guis)
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._to_gui(connectors))
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag) -> None:
        if tag in self._guis:
            connectors, observer = self._guis.pop(tag)
            for connector in connectors.values():
                connector.disconnect()
            self.RemoveObserver(observer)

    def _from_gui(self, name: str, connector: _Connector) -> None:
        if not self._updating:
            setattr(self, name, connector.read())

    def _to_gui(self, connectors) -> None:
        if self._updating:
            return
        for name, connector in connectors.items():
            self._write_gui(connector, name)

    def _write_gui(self, connector: _Connector, name: str) -> None:
        before, self._updating = self._updating, True
        try:
            connector.write(getattr(self, name))
        finally:
            self._updating = before

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was):
        self.parameterNode.EndModify(was)

    def Modified(self):
        self.parameterNode.Modified()


def parameterNodeWrapper(cls):
    """Class decorator, as in the application."""
    defaults = {str: "", float: 0.0, int: 0, bool: False, pathlib.Path: pathlib.Path(".")}
    parameters = {}
    for name, kind in typing.get_type_hints(cls).items():
        default = getattr(cls, name, defaults.get(kind))
        parameters[name] = (kind, default)
    members = {name: _make_property(name, kind, default) for name, (kind, default) in parameters.items()}
    return type(cls.__name__, (_Wrapper,), {"allParameters": parameters, "__doc__": cls.__doc__, **members})
