"""The report of a case: one HTML file with its pictures inside, no network, fit for printing."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import jinja2

from ..result.result import CaseResult
from .figures import CONVENTION

RESEARCH_USE = "Research use only. Not approved for clinical use. Not a diagnosis, not for treatment decisions."
TEMPLATE = Path(__file__).with_name("report.html")
NETWORK_NAMES = {
    "SMN": "Sensorimotor",
    "FPN": "Frontoparietal",
    "DAN": "Dorsal attention",
    "VAN": "Ventral attention and language",
    "SAL": "Salience",
    "DMN": "Default mode",
    "AUD": "Auditory",
    "VIS": "Visual",
    "LIM": "Limbic",
}
SIDE_NAMES = {"L": "left", "R": "right", "bilateral": "both hemispheres", "none": "none"}
CALIBRATION = {
    "none": (
        "Not calibrated to this scanner",
        "A scanner the model has never seen can shift all ages together; shifts of 10 to 35 years have been reported. "
        "Only contrasts within this patient are safe to read, ipsilesional minus contralesional, and only beside the "
        "healthy range given for them. "
        "Do not compare these ages with other people's.",
    ),
    "default offset": (
        "Not calibrated to this scanner",
        "Only the shipped default offset of the built-in thickness measurement was applied; it was measured on few "
        "heads and knows nothing of this scanner, which can shift all ages together (by 10 to 35 years, as reported). "
        "Only contrasts within this patient are safe to read, ipsilesional minus contralesional, and only beside the "
        "healthy range given for them. "
        "Do not compare these ages with other people's.",
    ),
    "local": (
        "Calibrated with local controls",
        "The offset of this scanner was estimated from local healthy people. The fewer they were, the more of a shift "
        "common to all regions may remain; contrasts within this patient do not depend on it.",
    ),
}
LIMITS = (
    "A predicted age difference (PAD) is the model's age for a region's cortex minus the patient's age. The corrected "
    "PAD, shown throughout, has the model's own pull towards the middle age removed; corrected ages look good whatever "
    "a model is worth, so judge the model by the raw errors in its model card.",
    "One person's interval is wide. A PAD whose 90 % interval holds zero is not evidence of anything in this person.",
    "An ipsilesional region is estimated from what the lesion left of it and from its neighbours. Where too much is "
    "lost the region is called not estimable instead.",
    "For registration and for the surfaces beside it the lesion is filled with tissue of the mirrored hemisphere, so "
    "what surrounds the lesion is not quite independent of its mirror. No thickness is measured inside the lesion or "
    "within 3 mm of it.",
    "The built-in corticospinal tract is made of anatomical labels and agrees moderately with tractography (README). "
    "Its loads rank lesions; they do not count fibres.",
    "Brain age has not been shown to predict recovery better than grey-matter volume or lesion size. It says nothing "
    "about what causes a difference.",
    "The nine networks by two hemispheres follow public label lists of the study this software reproduces; that the "
    "study's 18 regions are exactly these is inferred. They overlap: pictures show the first region of the scheme, "
    "loads use every region's full extent.",
)


def report_html(result: CaseResult, pictures: Mapping[str, bytes]) -> str:
    """The report as one self-contained HTML document.

    Parameters
    ----------
    pictures : PNG or SVG by name (overview.png, registration.png, thickness.png, pad.png, load.png, paired.svg); absent
        ones are left out.
    """
    title, text = CALIBRATION[result.calibration]
    if not result.one_sided:
        text = text.replace("ipsilesional minus contralesional", "one hemisphere minus the other")
    return _template().render(
        result=result,
        case=result.case,
        lesion=result.lesion,
        lesion_side=SIDE_NAMES[result.lesion.side],
        calibration_title=title,
        calibration_text=text,
        calibrated=result.calibration == "local",
        networks=[_network(result, network) for network in result.networks],
        estimable=sum(row.estimable for row in result.regions),
        contrast_name="ipsi − contra" if result.one_sided else "left − right",
        pictures={name.split(".")[0]: _embedded(name, content) for name, content in pictures.items()},
        convention=CONVENTION,
        limits=LIMITS,
        research_use=RESEARCH_USE,
        total_seconds=sum(result.seconds.values()),
    )


def _network(result: CaseResult, network: str) -> dict[str, object]:
    """A network's two rows, ipsilesional (or left) first, and their difference beside that of healthy people."""
    first = result.lesion.side if result.one_sided else "L"
    rows = [result.region(network, first), result.region(network, "R" if first == "L" else "L")]
    contrast = result.contrast(network)
    return {"code": network, "name": NETWORK_NAMES.get(network, ""), "rows": rows, "contrast": contrast}


def _embedded(name: str, content: bytes) -> str:
    kind = "image/svg+xml" if name.endswith(".svg") else "image/png"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"signed": _signed, "plain": _plain, "percent": _percent}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _signed(value: float, digits: int = 1) -> str:
    return _plain(value, digits, "+")


def _plain(value: float | None, digits: int = 1, sign: str = "-") -> str:
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:{sign}.{digits}f}"
    zero = not any(digit in text for digit in "123456789")
    return (text.lstrip("+-") if zero else text).replace("-", "−")


def _percent(fraction: float) -> str:
    if not math.isfinite(fraction):
        return "–"
    if fraction == 0:
        return "0"
    return "<0.1" if fraction < 0.0005 else f"{100 * fraction:.1f}"
