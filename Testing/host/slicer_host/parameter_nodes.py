"""A stand-in for ``slicer.parameterNodeWrapper``: typed values kept in a script node and bound to widgets by name.

Only types and widgets that the application's own wrapper binds, and as strictly: a slider needs WithinRange, a combo
box Choice; both set the widget's range or entries, and a spin box without WithinRange loses the ends its .ui file gave.
"""

from __future__ import annotations

import pathlib
import typing
from dataclasses import dataclass

import slicer
import vtk

PROPERTY = "SlicerParameterName"
_WHOLE = (-(2**31), 2**31 - 1)


@dataclass(frozen=True)
class WithinRange:
    minimum: float
    maximum: float

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass(frozen=True)
class Choice:
    choices: list

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


@dataclass(frozen=True)
class _Parameter:
    kind: type
    default: object
    annotations: tuple

    def find(self, annotation: type):
        return next((a for a in self.annotations if isinstance(a, annotation)), None)


def _to_text(value) -> str:
    return "" if value is None else str(value)


def _from_text(text: str, kind: type):
    if kind is bool:
        return text == "True"
    return kind(text)


def _make_property(name: str, parameter: _Parameter):
    kind = parameter.kind
    is_node = isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)

    def read(self):
        node = self.parameterNode
        if is_node:
            return node.GetNodeReference(name)
        return _from_text(node.GetParameter(name), kind)

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
            for annotation in parameter.annotations:
                annotation.validate(value)
            node.SetParameter(name, _to_text(value))

    return property(read, write)


class _Connector:
    """One widget and one parameter."""

    def __init__(self, widget, parameter: _Parameter, changed) -> None:
        self.widget = widget
        kind, within, choice = parameter.kind, parameter.find(WithinRange), parameter.find(Choice)
        name = type(widget).__name__
        if name == "qMRMLNodeComboBox" and issubclass(kind, slicer.vtkMRMLNode):
            widget.setTypes([kind.__name__])
            self.read, self.write, signal = widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged
        elif name == "ctkPathLineEdit" and kind is pathlib.Path:
            self.read = lambda: pathlib.Path(widget.getPath())
            self.write = lambda v: widget.setPath(str(v))
            signal = widget.currentPathChanged
        elif name == "QDoubleSpinBox" and kind in (float, int):
            widget.setRange(*((within.minimum, within.maximum) if within else (float("-inf"), float("inf"))))
            self.read, self.write, signal = widget.value, widget.setValue, widget.valueChanged
        elif name in ("QSlider", "QSpinBox") and kind is int:
            if name == "QSlider" and within is None:
                raise RuntimeError("Cannot have a connection to QSlider where the int type is unbounded.")
            widget.setRange(*((within.minimum, within.maximum) if within else _WHOLE))
            self.read, self.write, signal = widget.value, widget.setValue, widget.valueChanged
        elif name == "QCheckBox" and kind is bool:
            self.read, self.write, signal = widget.isChecked, widget.setChecked, widget.toggled
        elif name == "QComboBox" and kind in (str, int, float, bool):
            if choice is None:
                raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
            widget.clear()
            widget.addItems([str(c) for c in choice.choices])
            self.read = lambda: choice.choices[widget.currentIndex()]
            self.write = lambda v: widget.setCurrentIndex(choice.choices.index(v))
            signal = widget.currentIndexChanged
        elif name == "QLineEdit" and kind is str:
            self.read, self.write, signal = widget.text, self._write_text, widget.textChanged
        else:
            raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{name}'.")
        self.signal, self.slot, self.changed = signal, lambda *_: changed(self), changed

    def connect(self) -> None:
        self.signal.connect(self.slot)

    def disconnect(self) -> None:
        self.signal.disconnect(self.slot)

    def _write_text(self, text: str) -> None:
        if self.widget.text() != text:
            self.widget.setText(text)


class _Wrapper:
    def __init__(self, parameterNode, prefix=None) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple] = {}
        self._updating = False
        names = set(parameterNode.GetParameterNames())
        for name, parameter in self.allParameters.items():
            if not issubclass(parameter.kind, slicer.vtkMRMLNode) and name not in names:
                parameterNode.SetParameter(name, _to_text(parameter.default))

    def connectGui(self, gui) -> int:
        connectors = {}
        for widget in vars(gui).values():
            name = widget.property(PROPERTY)
            if name:
                changed = lambda connector, name=name: self._from_gui(name, connector)  # noqa: E731
                connectors[name] = _Connector(widget, self.allParameters[name], changed)
                self._write_gui(connectors[name], name)
                connectors[name].connect()
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
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        kind, *annotations = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        parameters[name] = _Parameter(kind, getattr(cls, name, defaults.get(kind)), tuple(annotations))
    members = {name: _make_property(name, parameter) for name, parameter in parameters.items()}
    return type(cls.__name__, (_Wrapper,), {"allParameters": parameters, "__doc__": cls.__doc__, **members})
