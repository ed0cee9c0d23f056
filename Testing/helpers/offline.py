"""The program in a process of its own that can reach no network: a connection to anywhere ends it with an error."""

from __future__ import annotations

import sys

_PROGRAM = """
import runpy, socket

def refuse(self, address, *_):
    raise RuntimeError(f"the program wanted to reach {address}")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
runpy.run_module("regional_brain_age", run_name="__main__", alter_sys=True)
"""


def program_without_network(*words: object) -> list[str]:
    """The command that runs ``regional-brain-age`` with these words."""
    return [sys.executable, "-c", _PROGRAM, *map(str, words)]
