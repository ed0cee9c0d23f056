"""What was done with a case, in sentences ready for a manuscript, and the papers they rest on."""

from __future__ import annotations

import math
from pathlib import Path

from ...files.references import bibtex, reference_lines
from ...files.wording import RESEARCH_USE
from .result import CaseResult

# A sentence and the keys of the papers it cites.
Sentence = tuple[str, tuple[str, ...]]


def write_methods(result: CaseResult, folder: Path) -> None:
    """Write ``sub-<id>_methods.md`` and ``sub-<id>_references.bib``."""
    stem = result.case.name
    (folder / f"{stem}_methods.md").write_text(methods_text(result), encoding="utf-8")
    (folder / f"{stem}_references.bib").write_text(bibtex(_keys(result)), encoding="utf-8")


def methods_text(result: CaseResult) -> str:
    """The methods of this case in Markdown: only steps that were run, with their references."""
    text = " ".join(sentence for sentence, _ in _sentences(result))
    references = "\n".join(f"- {line}" for line in reference_lines(_keys(result)))
    return f"# Methods\n\n{text}\n\n{RESEARCH_USE}\n\n# References\n\n{references}\n"


def _keys(result: CaseResult) -> list[str]:
    return [key for _, keys in _sentences(result) for key in keys]


def _sentences(result: CaseResult) -> list[Sentence]:
    software = result.provenance.get("software", {})
    version, build = software.get("regional-brain-age", "unknown"), software.get("build", "unknown")
    sentences: list[Sentence] = [
        (f"Regional brain age was estimated with RegionalBrainAge {version} (build {build}) after Park 2026.",
         ("park2026",))
    ]  # fmt: skip
    parameters = result.provenance.get("parameters", {})
    surfaces = parameters.get("thickness_from") == "FreeSurfer"
    if result.provenance.get("registration_similarity") is not None:
        sentences += _image_sentences(result, parameters.get("tract") == "own")
    sentences.append(_thickness(surfaces, result.lesion.volume_ml > 0))
    if any(math.isfinite(row.volume_mm3) for row in result.structures):
        sentences.append(_volumes(surfaces))
    return [*sentences, *_age_sentences(result)]


def _image_sentences(result: CaseResult, own_tract: bool) -> list[Sentence]:
    sentences: list[Sentence] = [
        (
            "The brain was found with deepbet's network (Fisch 2024) and intensity inhomogeneity was corrected "
            "with N4 (Tustison 2010).",
            ("fisch2024", "tustison2010"),
        )
    ]
    lesion = result.lesion
    filled = lesion.volume_ml > 0
    sentences.append(
        (
            "The head was aligned with the MNI152NLin2009cAsym template (Fonov 2011) by an affine and a greedy "
            "diffeomorphic registration that maximises local correlation (Avants 2008)"
            + (", with lesioned voxels replaced by those of the mirrored hemisphere (Nachev 2008)." if filled else "."),
            ("fonov2011", "avants2008", *(["nachev2008"] if filled else [])),
        )
    )
    sentences.append(
        (
            f"Regions are those of the scheme '{result.scheme}'"
            + (", made of AAL labels (Rolls 2015)." if result.scheme == "nine-networks" else "."),
            ("rolls2015",) if result.scheme == "nine-networks" else (),
        )
    )
    if filled:
        tract = "tracts given by the user" if own_tract else "tracts made of labels of the JHU-MNI atlas (Oishi 2009)"
        sentences.append(
            (
                "Lesion load is the fraction of a region's volume that the lesion covers; corticospinal-tract load was "
                f"computed plainly and weighted by cross-section (Zhu 2010) from {tract}.",
                ("zhu2010", *([] if own_tract else ["oishi2009"])),
            )
        )
    return sentences


def _thickness(surfaces: bool, lesioned: bool) -> Sentence:
    if surfaces:
        return (
            "Cortical thickness of 148 parcels (Destrieux 2010) was taken from a FreeSurfer or FastSurfer folder "
            "(Fischl 2012).",
            ("destrieux2010", "fischl2012"),
        )
    return (
        "The surface of white matter was placed after non-local means denoising (Coupé 2008). Cortical thickness was "
        "measured as the grey matter along lines from this surface to the middle of the sulcus or to the fluid (after "
        "Dahnke 2013 and Aganj 2009) and averaged over 148 parcels (Destrieux 2010), which were fitted to the head's "
        f"own folds{', leaving out the lesion and 3 mm around it' if lesioned else ''}.",
        ("coupe2008", "dahnke2013", "aganj2009", "destrieux2010"),
    )


def _volumes(surfaces: bool) -> Sentence:
    if surfaces:
        return ("Volumes of structures and of grey matter were taken from the same folder.", ())
    return (
        "Volumes of ventricles, deep grey matter, cerebellum, brain stem, grey matter and the intracranial space were "
        "measured with U-Nets (Çiçek 2016).",
        ("cicek2016",),
    )


def _age_sentences(result: CaseResult) -> list[Sentence]:
    calibration = {
        "none": "No calibration to the scanner was used, so PADs of this case stand beside others of the same scanner "
        "only",
        "local": "The model was calibrated with healthy controls of the same scanner",
    }.get(result.calibration, f"Calibration: {result.calibration}")
    sha256, charts = str(result.model.get("sha256", ""))[:12], result.model.get("charts", False)
    return [
        (
            f"Ages came from the graph network '{result.model['name']}' (SHA-256 {sha256 or 'unknown'}...)"
            + (", whose norms rest on lifespan charts (Rutherford 2022)" if charts else "")
            + "; damaged parcels counted as missing. PADs (predicted age differences) were corrected for age bias "
            f"(de Lange 2020) and have 90 % prediction intervals. {calibration}.",
            (*(["rutherford2022"] if charts else []), "delange2020"),
        )
    ]
