"""The report of a case: one HTML file with its pictures inside, no network, three pages when printed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from ... import __version__
from ...figures.marks import CONVENTION
from ...files.wording import ABSENT, RESEARCH_USE, listed, percent, plain, signed
from ..result.result import CaseResult
from .answer import answer, global_interval_years
from .range_bar import axis, axis_limit, range_bar
from .reading import calibrated, contrasts, regions, simulated, whole_name, why_withheld
from .texts import ABBREVIATIONS, CALIBRATED, CALIBRATION, CITATION, LIMITS, NETWORK_NAMES, SIDE_NAMES, UNCALIBRATED

FOLDER = Path(__file__).parent
FUGL_MEYER_UPPER_EXTREMITY_MAXIMUM = 66


def report_html(result: CaseResult, pictures: Mapping[str, bytes], viewer: str = "", drawn_on: str = "") -> str:
    """The report as one self-contained HTML document.

    Parameters
    ----------
    pictures : JPEG by file name (map.jpg, load.jpg, mask.jpg, registration.jpg, template.jpg,
        thickness.jpg); absent ones are left out.
    viewer : the interactive viewer's HTML; none if empty.
    drawn_on : a sentence where the pictures are not of this head.
    """
    of_regions, of_networks = regions(result), contrasts(result)
    limits = [axis_limit(of_regions.values()), axis_limit(of_networks.values())]
    return _template().render(
        result=result,
        case=result.case,
        lesion=result.lesion,
        answer=answer(result),
        lesion_side=SIDE_NAMES[result.lesion.side],
        calibrated=calibrated(result),
        calibration_title=CALIBRATED if calibrated(result) else UNCALIBRATED,
        calibration_text=CALIBRATION["local" if calibrated(result) else "none"],
        withheld=why_withheld(result),
        grade=result.image_grade,
        drawn_on=drawn_on,
        not_readable=_not_readable(result),
        whole=_whole(result),
        of_whole=whole_name(result),
        networks=[_network(result, network, of_regions, of_networks, limits) for network in result.networks],
        axes=[Markup(axis(limit)) for limit in limits],
        value_name="PAD, years" if calibrated(result) else "deviation, years",
        contrast_name="ipsi − contra" if result.one_sided else "left − right",
        motor=_motor(result.case.motor),
        simulated=simulated(result),
        pictures={name.split(".")[0]: _embedded(content) for name, content in pictures.items()},
        viewer=Markup(viewer),
        convention=CONVENTION,
        limits=LIMITS,
        abbreviations=[*ABBREVIATIONS, *((n, NETWORK_NAMES[n]) for n in result.networks if n in NETWORK_NAMES)],
        citation=CITATION,
        research_use=RESEARCH_USE,
        version=__version__,
        total_seconds=sum(result.seconds.values()),
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
    )


def _network(result, network, of_regions, of_networks, limits) -> dict[str, object]:
    """A network's two rows, ipsilesional (or left) first, and their difference, each beside that of healthy people."""
    first = result.lesion.side if result.one_sided else "L"
    rows = [result.region(network, first), result.region(network, "R" if first == "L" else "L")]
    names = [f"{row.side} {network}" for row in rows]
    bars = [Markup(range_bar(of_regions[row.region], limits[0], name)) for row, name in zip(rows, names, strict=True)]
    difference = f"{network}, {'ipsi minus contralesional' if result.one_sided else 'left minus right'}"
    return {
        "code": network,
        "name": NETWORK_NAMES.get(network, ""),
        "rows": [(row, of_regions[row.region], bar) for row, bar in zip(rows, bars, strict=True)],
        "contrast": of_networks[network],
        "contrast_bar": Markup(range_bar(of_networks[network], limits[1], difference)),
    }


def _whole(result: CaseResult) -> tuple[str, str]:
    """The global age, and what to make of it."""
    whole = result.global_age
    if why_withheld(result):
        return ABSENT, why_withheld(result)
    if whole is None or not whole.estimable:
        return ABSENT, "not estimable"
    low, high = global_interval_years(whole, result.case.age_years)
    age = plain(result.case.age_years + whole.pad_corrected_years, 0)
    words = f"90 %: {plain(low, 0)} to {plain(high, 0)}; age {plain(result.case.age_years)}"
    return age, words if calibrated(result) else f"{words}; a scanner may shift it"


def _not_readable(result: CaseResult) -> list[str]:
    """What of this case must not be read, in the words of a list."""
    if why_withheld(result):
        return [f"any age: {why_withheld(result)}"]
    lost = [f"{row.side} {row.network}" for row in result.regions if not row.estimable]
    found = [f"{listed(lost)} (not estimable)"] if lost else []
    return found if calibrated(result) else [*found, "ages against other people's"]


def _motor(score: float | None) -> str:
    """A motor outcome (0..1) with its points, where it is a whole number of Fugl-Meyer points."""
    if score is None:
        return ""
    points = score * FUGL_MEYER_UPPER_EXTREMITY_MAXIMUM
    if abs(points - round(points)) < 0.02:
        whole = f"{round(points)}/{FUGL_MEYER_UPPER_EXTREMITY_MAXIMUM}"
        return f"{plain(score, 2)} of 1 ({whole} if Fugl-Meyer upper extremity)"
    return f"{plain(score, 2)} of 1"


def _embedded(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"signed": signed, "plain": plain, "percent": percent}
    return environment.from_string((FOLDER / "report.html").read_text(encoding="utf-8"))
