"""Python packages: what is missing or half installed, and installing it after the user agrees."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from slicer.i18n import tr as _

from .library_process import IMPORTED, IMPORTING

REQUESTER = "RegionalBrainAge"
_RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
REQUIREMENTS = _RESOURCES / "RegionalBrainAge-requirements.txt"
REQUIREMENTS_WITHOUT_DEPENDENCIES = _RESOURCES / "RegionalBrainAge-requirements-without-dependencies.txt"
# Distributions whose importable name is another.
_MODULE_NAMES = {
    "torch-geometric": "torch_geometric",
    "scikit-learn": "sklearn",
}


TORCH_REMEDY = _(
    "Open the module 'PyTorch Util' of the extension PyTorch, uninstall torch there, restart Slicer and install it "
    "again; or give a folder with a torch wheel in the section Advanced and click 'Install packages'."
)
# About what all packages without torch take when unpacked.
_LEAST_ROOM_BYTES = 500_000_000


@dataclass(frozen=True)
class Packages:
    """What the library needs and this Python lacks.

    Parameters
    ----------
    missing : requirements to install with their own requirements.
    missing_alone : requirements to install with --no-deps.
    broken : package -> what is wrong with it, of those that pip lists but that cannot be used.
    torch : whether torch is there.
    imported : whether the packages were imported, in another process, and not only found.
    """

    missing: tuple[str, ...]
    missing_alone: tuple[str, ...]
    broken: Mapping[str, str]
    torch: bool
    imported: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything needed is installed and can be imported."""
        return self.torch and not (self.missing or self.missing_alone or self.broken)

    def with_imports(self, states: Mapping[str, str] | None) -> Packages:
        """With what importing them gave: package -> "ok" or what is wrong; None when that was not tried."""
        if states is None:
            return self
        from packaging.requirements import Requirement

        missing = {Requirement(text).name for text in (*self.missing, *self.missing_alone)}
        broken = {
            name: wrong
            for name, wrong in states.items()
            if wrong != "ok" and name not in missing and (name != "torch" or self.torch)
        }
        return replace(self, broken={**self.broken, **broken}, imported=True)

    def sentence(self) -> str:
        """What the panel says: what is missing or broken, why, and what to do."""
        if self.complete and not self.imported:
            return _("All Python packages are found. Checking in the background that they can be imported.")
        if self.complete:
            return _("All Python packages are installed. Cases are computed on the CPU; no GPU is needed.")
        names = [*(["torch"] if not self.torch else []), *self.missing, *self.missing_alone]
        parts = [_("Missing: {names}.").format(names=", ".join(names))] if names else []
        parts += [
            _("The Python package {name} {wrong}.").format(name=name, wrong=wrong.rstrip("."))
            for name, wrong in self.broken.items()
        ]
        if "torch" in self.broken:
            parts.append(TORCH_REMEDY)
        if names or set(self.broken) - {"torch"}:
            parts.append(_("Click 'Install packages'."))
        return " ".join(parts)


def look() -> Packages:
    """What is there now, from metadata and file names only: nothing is imported, so it is quick."""
    import slicer.packaging

    with_dependencies = slicer.packaging.load_requirements(REQUIREMENTS)
    alone = slicer.packaging.load_requirements(REQUIREMENTS_WITHOUT_DEPENDENCIES)
    importlib.invalidate_caches()
    half = [r.name for r in [*with_dependencies, *alone] if _is_half_installed(r.name)]
    return Packages(
        missing=tuple(str(r) for r in with_dependencies if not slicer.packaging.pip_check(r)),
        missing_alone=tuple(str(r) for r in alone if not slicer.packaging.pip_check(r)),
        broken=dict.fromkeys(half, _("is only half installed")),
        torch=importlib.util.find_spec("torch") is not None,
    )


def versions() -> tuple:
    """Names and versions of what is installed of the packages needed; changes when one is installed anew."""
    import slicer.packaging

    listed = [REQUIREMENTS, REQUIREMENTS_WITHOUT_DEPENDENCIES]
    names = ["torch", *(r.name for path in listed for r in slicer.packaging.load_requirements(path))]
    return tuple((name, _version(name)) for name in names)


def read_imports(lines: tuple[str, ...]) -> dict[str, str]:
    """Package -> "ok" or what is wrong, from the lines of ``library_process.py packages``.

    A package whose import was begun and did not end took the process with it.
    """
    states = {}
    for line in lines:
        if line.startswith(IMPORTING):
            states[line.removeprefix(IMPORTING).strip()] = _("ends Python when it is imported")
        elif line.startswith(IMPORTED):
            name, _sign, state = line.removeprefix(IMPORTED).strip().partition(": ")
            states[name] = state
    return states


def install(found: Packages, wheels: Path | None = None) -> None:
    """Install what is missing and repair what is broken. The caller has asked the user.

    Parameters
    ----------
    wheels : folder with wheel files, for hospitals without a network; None for the network.

    Raises
    ------
    RegionalBrainAgeError : the PyTorch extension is missing, or pip failed; the message says what to do.
    """
    import slicer.packaging

    source = pip_source(wheels)
    try:
        if not found.torch:
            _install_torch(source)
        elif "torch" in found.broken:
            _repair_torch(source, found.broken["torch"])
        broken = [name for name in found.broken if name != "torch"]
        if broken:
            slicer.packaging.pip_install([*source, "--force-reinstall", "--no-deps", *broken], requester=REQUESTER)
        if found.missing_alone:
            slicer.packaging.pip_install([*source, "--no-deps", *found.missing_alone], requester=REQUESTER)
        if found.missing and source:
            slicer.packaging.pip_install([*source, *found.missing], requester=REQUESTER)
        elif found.missing:
            slicer.packaging.pip_ensure(
                slicer.packaging.load_requirements(REQUIREMENTS), prompt_install=False, requester=REQUESTER
            )
    except (subprocess.CalledProcessError, RuntimeError) as error:
        raise _failure(wheels) from error
    left = look()
    if not left.complete:
        raise RegionalBrainAgeError(
            _("After installing, something is still missing. {sentence}").format(sentence=left.sentence()),
            _("Restart Slicer and look again; if that does not help, install once more."),
        )


def pip_source(wheels: Path | None) -> list[str]:
    """pip's options for a folder of wheels; none for the network.

    Raises
    ------
    RegionalBrainAgeError : the folder holds no wheels.
    """
    if wheels is None:
        return []
    if not any(Path(wheels).glob("*.whl")):
        raise RegionalBrainAgeError(
            _("The folder {folder} holds no wheel files (*.whl).").format(folder=wheels),
            _("Fill it on a computer with a network as the manual's section 'Without a network' says, "
              "or leave the field empty."),
        )  # fmt: skip
    return ["--no-index", "--find-links", str(wheels)]


def _install_torch(source: list[str]) -> None:
    import slicer.packaging

    if source:
        slicer.packaging.pip_install([*source, "torch"], requester=REQUESTER)
        return
    try:
        import PyTorchUtils
    except ModuleNotFoundError as error:
        raise RegionalBrainAgeError(
            _("The extension PyTorch, which installs torch for this computer, is missing."),
            _("Install 'PyTorch' in the Extensions Manager and restart Slicer."),
        ) from error
    if PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False) is None:
        raise RegionalBrainAgeError(
            _("torch could not be installed by the PyTorch extension."),
            _("Open the module 'PyTorch Util', install torch there, then come back."),
        )


def _repair_torch(source: list[str], wrong: str) -> None:
    """From wheels only: which build fits this computer is known to the PyTorch extension, whose page can do it."""
    import slicer.packaging

    if not source:
        raise RegionalBrainAgeError(_("The Python package torch {wrong}.").format(wrong=wrong), TORCH_REMEDY)
    slicer.packaging.pip_install([*source, "--force-reinstall", "--no-deps", "torch"], requester=REQUESTER)


def _failure(wheels: Path | None) -> RegionalBrainAgeError:
    """What to tell. Slicer has shown pip's own words by then and raises without them: the cause is looked for here."""
    folder = packages_folder()
    if not _can_write(folder):
        return RegionalBrainAgeError(
            _("The packages could not be installed: Slicer's Python folder {folder} cannot be written to.").format(
                folder=folder
            ),
            _("Install Slicer in a folder of your own, or ask your administrator to install the packages."),
        )
    if shutil.disk_usage(folder).free < _LEAST_ROOM_BYTES:
        return RegionalBrainAgeError(
            _("The packages could not be installed: the disk is full."), _("Free some space and install again.")
        )
    if wheels is not None:
        return RegionalBrainAgeError(
            _("The packages could not be installed from the folder {folder}.").format(folder=wheels),
            _("The folder must hold the wheels of all packages and of all they need, for this system and Python."),
        )
    return RegionalBrainAgeError(
        _("The packages could not be installed from the network."),
        _("Check the network connection and proxy; without a network, give a folder of wheels."),
    )


def packages_folder() -> Path:
    """Where pip puts packages."""
    return Path(sysconfig.get_path("purelib"))


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_half_installed(name: str) -> bool:
    """pip lists the package, but its code is not there."""
    if _version(name) is None:
        return False
    spec = importlib.util.find_spec(_MODULE_NAMES.get(name, name).replace("-", "_"))
    # An interrupted installation leaves a folder without code, which Python takes for a namespace package.
    return spec is None or spec.origin is None
