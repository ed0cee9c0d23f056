"""Python packages: what is missing or half installed, and installing it after the user agrees."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from slicer.i18n import tr as _

REQUESTER = "RegionalBrainAge"
_RESOURCES = Path(__file__).resolve().parent.parent / "Resources"
REQUIREMENTS = _RESOURCES / "RegionalBrainAge-requirements.txt"
REQUIREMENTS_WITHOUT_DEPENDENCIES = _RESOURCES / "RegionalBrainAge-requirements-without-dependencies.txt"
# Distributions whose importable name is another.
_MODULE_NAMES = {
    "torch-geometric": "torch_geometric",
    "scikit-learn": "sklearn",
}


# About what all packages without torch take when unpacked.
_LEAST_ROOM_BYTES = 500_000_000


@dataclass(frozen=True)
class Packages:
    """What the library needs and this Python lacks.

    Parameters
    ----------
    missing : requirements to install with their own requirements.
    missing_alone : requirements to install with --no-deps.
    broken : names of packages that pip lists but that cannot be found: an installation that was interrupted.
    torch : whether torch is there.
    """

    missing: tuple[str, ...]
    missing_alone: tuple[str, ...]
    broken: tuple[str, ...]
    torch: bool

    @property
    def complete(self) -> bool:
        return self.torch and not (self.missing or self.missing_alone or self.broken)

    def sentence(self) -> str:
        """One sentence for the panel."""
        if self.complete:
            return _("All Python packages are installed. Cases are computed on the CPU; no GPU is needed.")
        parts = []
        names = [*(["torch"] if not self.torch else []), *self.missing, *self.missing_alone]
        if names:
            parts.append(_("Missing: {names}.").format(names=", ".join(names)))
        if self.broken:
            parts.append(_("Only half installed: {names}.").format(names=", ".join(self.broken)))
        return " ".join([*parts, _("Click 'Install packages'.")])


def look() -> Packages:
    """What is there now, from metadata and file names only: nothing is imported, so it is quick."""
    import slicer.packaging

    with_dependencies = slicer.packaging.load_requirements(REQUIREMENTS)
    alone = slicer.packaging.load_requirements(REQUIREMENTS_WITHOUT_DEPENDENCIES)
    importlib.invalidate_caches()
    return Packages(
        missing=tuple(str(r) for r in with_dependencies if not slicer.packaging.pip_check(r)),
        missing_alone=tuple(str(r) for r in alone if not slicer.packaging.pip_check(r)),
        broken=tuple(r.name for r in [*with_dependencies, *alone] if _is_half_installed(r.name)),
        torch=importlib.util.find_spec("torch") is not None,
    )


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
        if found.broken:
            slicer.packaging.pip_install(
                [*source, "--force-reinstall", "--no-deps", *found.broken], requester=REQUESTER
            )
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


def _is_half_installed(name: str) -> bool:
    """pip lists the package, but its code is not there."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    spec = importlib.util.find_spec(_MODULE_NAMES.get(name, name).replace("-", "_"))
    # An interrupted installation leaves a folder without code, which Python takes for a namespace package.
    return spec is None or spec.origin is None
