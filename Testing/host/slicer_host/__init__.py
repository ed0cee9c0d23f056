"""Stand-ins for the parts of 3D Slicer that PyPI's `slicer-core` lacks; the rest is the real library.

`start()` gives a process the modules ``qt``, ``ctk``, ``slicer.app``, ``slicer.modules``, ``slicer.mrmlScene``,
``slicer.ScriptedLoadableModule``, ``slicer.parameterNodeWrapper``, ``slicer.i18n`` and ``slicer.packaging``, with the
same calls as the application's. A stand-in never does more than the application does.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_HOST = None


def import_slicer() -> None:
    """Import `slicer-core`, which would also import all files of every folder called "slicer" on the path: ours too."""
    if "slicer" in sys.modules:
        return
    path = sys.path[:]
    sys.path[:] = [entry for entry in path if not (Path(entry or ".") / "slicer" / "conftest.py").exists()]
    try:
        import slicer  # noqa: F401
    finally:
        sys.path[:] = path


def start():
    """The host of this process; made at the first call, with an empty scene."""
    global _HOST
    if _HOST is None:
        import_slicer()
        _keep_singletons_alive()
        from .host import Host

        _HOST = Host()
    return _HOST


def _keep_singletons_alive() -> None:
    """Before Python 3.12 None, True and False are counted, and the bindings drop a reference too many: long sessions
    ended in "none_dealloc: bug likely caused by a refcount error". Spare references outlast any session.
    """
    for singleton in (None, True, False):
        counted = ctypes.py_object(singleton)
        for _ in range(1_000_000):
            ctypes.pythonapi.Py_IncRef(counted)
