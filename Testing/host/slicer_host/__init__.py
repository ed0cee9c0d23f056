"""Stand-ins for the parts of 3D Slicer that PyPI's `slicer-core` lacks; the rest is the real library.

`start()` gives a process the modules ``qt``, ``ctk``, ``slicer.app``, ``slicer.modules``, ``slicer.mrmlScene``,
``slicer.ScriptedLoadableModule``, ``slicer.parameterNodeWrapper``, ``slicer.i18n`` and ``slicer.packaging``, with the
same calls as the application's. A stand-in never does more than the application does.
"""

from __future__ import annotations

_HOST = None


def start():
    """The host of this process; made at the first call, with an empty scene."""
    global _HOST
    if _HOST is None:
        from .host import Host

        _HOST = Host()
    return _HOST
