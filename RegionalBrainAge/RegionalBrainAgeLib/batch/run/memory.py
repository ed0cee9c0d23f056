"""How much memory there is for another case, containers and cluster jobs included."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil

# Kept free for the system and for what grows unforeseen.
RESERVE_MB = 500.0
_CGROUP = Path("/sys/fs/cgroup")


def available_mb() -> float:
    """Memory that new processes can use now (MB): of the machine, or of the container or job where that is less."""
    return min(psutil.virtual_memory().available / 1e6, *_cgroup_rooms_mb(), float("inf"))


def fits(peak_mb: float, running_mb: Iterable[float], free_mb: float) -> bool:
    """Whether one more case of `peak_mb` fits, when each running one may still grow to that peak.

    Parameters
    ----------
    running_mb : what the running cases hold now; `free_mb` no longer contains it.
    """
    promised = sum(max(0.0, peak_mb - held) for held in running_mb)
    return free_mb - promised - RESERVE_MB >= peak_mb


def _cgroup_rooms_mb() -> list[float]:
    """Room below the memory limits of this process's control groups (version 2), from its own group up to the root."""
    try:
        entries = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    group = next((line.removeprefix("0::") for line in entries if line.startswith("0::")), None)
    if group is None:
        return []
    rooms = []
    folder = _CGROUP / group.strip("/")
    while folder == _CGROUP or _CGROUP in folder.parents:
        limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
        if limit is not None and used is not None:
            rooms.append((limit - used) / 1e6)
        folder = folder.parent
    return rooms


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="ascii"))  # "max" means no limit
    except (OSError, ValueError):
        return None
