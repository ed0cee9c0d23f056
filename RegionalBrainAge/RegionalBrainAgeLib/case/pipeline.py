"""One case from files to folder: named steps, each timed, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from threadpoolctl import threadpool_limits

from .. import __version__
from ..age.ages import Ages
from ..age.features import FREESURFER, T1, Features, features_of_parcels
from ..age.model.asymmetry import asymmetries
from ..age.model.brain_age_model import BrainAgeModel
from ..age.model.calibration import read_calibration
from ..age.model.model_files import load_model
from ..anatomy.parcels import ParcelFeatures
from ..anatomy.regions import RegionScheme, load_scheme, membership
from ..anatomy.tract import corticospinal_tract, load_tract_template
from ..cortex.freesurfer import read_subject
from ..errors import CaseError, InputError
from ..files.atomic_folder import case_folder
from ..files.checksum import checksum
from ..files.image_checks import skull_stripped
from ..files.tables import read_table
from ..files.wording import listed
from ..geometry.image import Image, bounding_box, cropped, same_grid
from ..head.image_grade import ImageGrade, grade_image
from ..lesion.measures import region_loads, summarise_lesion
from ..lesion.tract_loads import tract_load, weighted_tract_load
from ..resources import model_folder
from ..structures.freesurfer import read_volumes
from ..structures.volumes import StructureVolumes
from ..threads import torch_threads
from .case import FILE_FIELDS, REPORTS, Case
from .measure_head import Head, Scan, measure_head, read_scan
from .provenance import peak_memory_mb, software_versions
from .quality import AGE_NOT_KNOWN, Quality, advice, judge, withhold
from .report.reading import in_health
from .result.dataset_files import describe_dataset, describe_table
from .result.dicom_objects import FOLDER as DICOM_FOLDER
from .result.dicom_source import read_dicom_source
from .result.result import (
    CaseResult,
    LesionResult,
    hemisphere_volumes_ml,
)
from .result.rows import global_age_result, parcel_rows, region_rows, structure_rows
from .result.summary import read_result
from .result.tables import PROCESSED_NAME, append_case, check_columns, processed_columns
from .result.write_case import write_case
from .steps import Progress, Steps


def run_case(
    case: Case,
    out_dir: Path | str,
    *,
    model: Path | str | None = None,
    scheme: Path | str | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    overwrite: bool = False,
    threads: int = 1,
    append: bool = True,
    notes: Sequence[str] = (),
    report: str = "interactive",
    keep_paths: bool = False,
    dicom: bool = False,
) -> CaseResult:
    """Process one case and leave its folder ``out_dir/sub-<id>`` and its row in ``out_dir/processed_cases.csv``.

    Parameters
    ----------
    case : the checked input.
    out_dir : created if needed.
    model : model folder; the shipped one if None.
    scheme : region scheme (TSV); the shipped one if None. It must be the one the model was trained for.
    progress : called as ``progress(step, fraction)`` when a step begins.
    cancelled : asked between steps; True ends the work and nothing is left.
    overwrite : replace an existing folder of the case instead of refusing.
    threads : for networks, resampling and searches, whose numbers do not depend on it. Whatever is summed (shading,
        linear algebra) keeps to one, so that any number of threads gives the same result to the last digit.
    append : whether to write the row; a batch writes all rows itself.
    notes : sentences to put first among the warnings (the demonstration says what it is).
    report : "interactive" (with a viewer of the head inside, some 5 MB more) or "static".
    keep_paths : write the full paths of the inputs into the case's files; otherwise their names only, for the names of
        folders often tell who a patient is.
    dicom : also write report, lesion and regions as DICOM, with the patient and study of the T1's series.

    Raises
    ------
    InputError : files, facts or output folder are not usable.
    CaseError : the input was fine but a step failed.
    Cancelled : the `cancelled` callback returned True.
    RegionalBrainAgeError : a file of an installed package is missing, or the row could not be written.

    Nothing is left that looks like a result, but for a row that could not be written: then the case's folder is whole.

    Notes
    -----
    A case whose folder is there but not its row (a run was ended in between) is completed by its row: run it again.
    """
    out_dir = Path(out_dir)
    if threads < 1 or report not in REPORTS:
        raise InputError(f"threads={threads!r}, report={report!r}.", f"threads is 1 or more, report {listed(REPORTS)}.")
    _refuse_absent(case)
    if append:
        _refuse_other_capitals(case, out_dir)
    torch.set_num_threads(threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    threadpool_limits(1)
    steps = Steps(progress, cancelled)
    source = read_dicom_source(case) if dicom else None
    used, regions = model_folder(model), load_scheme(scheme)
    if append and not overwrite and (complete := _completed(case, out_dir, used, regions.name, dicom)) is not None:
        steps.finish()
        return complete
    with case_folder(out_dir, case.name, overwrite) as folder:
        if append:
            check_columns(out_dir / PROCESSED_NAME, processed_columns([n.lower() for n in regions.networks]))
        brain_age_model = load_model(used, regions)
        result, head, scan = estimate(case, regions, brain_age_model, steps, threads, notes)
        result = replace(result, model={**result.model, "sha256": checksum(used)["sha256"]})
        try:
            result = write_case(
                folder,
                out_dir / case.name,
                result,
                regions,
                head,
                scan,
                steps,
                interactive=report == "interactive",
                keep_paths=keep_paths,
                dicom=source,
            )
        except OSError as error:
            raise CaseError(
                f"The results of {case.name} could not be written to {out_dir}: {error.strerror or error}.",
                "Free some space there or choose another output folder.",
            ) from error
    if append:
        _append(result, out_dir)
    steps.finish()
    return result


def _refuse_absent(case: Case) -> None:
    """A case made in Python may name files that are not there."""
    absent = [str(path) for name in FILE_FIELDS if (path := getattr(case, name)) is not None and not path.exists()]
    if absent:
        raise InputError(f"Not found: {', '.join(absent)}.", "Check the path.")


def _refuse_other_capitals(case: Case, out_dir: Path) -> None:
    """On many disks sub-s1 and sub-S1 are one folder; where they are two, one person would count twice."""
    names = [path.name for path in out_dir.iterdir()] if out_dir.is_dir() else []
    twin = next((name for name in names if name != case.name and name.casefold() == case.name.casefold()), None)
    if twin is not None:
        raise InputError(
            f"The folder {out_dir / twin} differs from {case.name} in capitals only: one person twice?",
            "Give the id as before (with --overwrite), or another one.",
        )


def _append(result: CaseResult, out_dir: Path) -> None:
    """Write the row and what describes it. The row comes last: where it is, nothing is missing."""
    row = result.processed_row(__version__)
    describe_dataset(out_dir)
    describe_table(out_dir / PROCESSED_NAME, list(row))
    append_case(out_dir / PROCESSED_NAME, row)


def _completed(case: Case, out_dir: Path, model: Path, scheme: str, dicom: bool) -> CaseResult | None:
    """The result of this very case where its folder is there and only its row was missing, which is added.

    Only where the same software, model and scheme gave it.
    """
    folder, table = out_dir / case.name, out_dir / PROCESSED_NAME
    if dicom and not (folder / DICOM_FOLDER).is_dir():
        return None
    if not folder.is_dir() or (table.exists() and any(row.get("case_id") == case.case_id for row in read_table(table))):
        return None
    try:
        result = read_result(folder)
    except InputError:
        return None
    given = {name: path for name in FILE_FIELDS if (path := getattr(case, name)) is not None}
    sums = {name: checksum(path)["sha256"] for name, path in given.items()}
    told = {name: item["sha256"] for name, item in result.provenance["inputs"].items()}
    by = (result.model.get("sha256"), result.scheme, result.provenance["software"].get("regional-brain-age"))
    now = (checksum(model)["sha256"], scheme, __version__)
    if sums != told or _facts(result.case) != _facts(case) or by != now:
        return None
    _append(result, out_dir)
    return result


def _facts(case: Case) -> dict[str, object]:
    return {name: value for name, value in vars(case).items() if name not in FILE_FIELDS}


def estimate(
    case: Case,
    scheme: RegionScheme,
    model: BrainAgeModel,
    steps: Steps,
    threads: int = 1,
    notes: Sequence[str] = (),
) -> tuple[CaseResult, Head | None, Scan | None]:
    """The numbers and images of a case, in memory; no head and scan where only FreeSurfer's statistics were given."""
    with steps.step("read"):
        given = {name: getattr(case, name) for name in FILE_FIELDS}
        inputs = {name: checksum(path) for name, path in given.items() if path is not None}
        tracts = None
        if case.tract_left is not None and case.tract_right is not None:
            tracts = load_tract_template(case.tract_left, case.tract_right)
        scan = read_scan(case)
        mask = scan.lesion if scan else None
        surfaces = read_subject(case.freesurfer, mask) if case.freesurfer else None
        volumes = read_volumes(case.freesurfer, mask) if case.freesurfer else None
        calibration = read_calibration(case.calibration) if case.calibration else None
        route = T1 if surfaces is None else FREESURFER
        model.check_calibration(calibration, route)
    head = measure_head(scan, scheme, steps, threads, surfaces=surfaces is not None) if scan else None
    with steps.step("lesion"):
        lesion = _lesion(head, tracts)
        if surfaces is not None:
            parcels, structures = surfaces, volumes
        else:
            assert head is not None  # a case without a FreeSurfer folder has a head,
            assert head.features is not None  # and it was measured
            parcels, structures = head.features, head.structures
        features = brain_features(parcels, structures, lesion, route)
        loads, volumes_ml = _loads(head, len(scheme.regions))
    with steps.step("ages"), torch_threads(1):
        ages = model.predict(features, case.age_years, case.sex, calibration)
        if case.known_age_years is None:
            ages = withhold(ages, AGE_NOT_KNOWN)
        grade = grade_image(scan.t1, head.volumes.brain, head.lesion) if head and scan else None
        quality = _quality(case, scan, head, features, ages, grade)
    if quality.verdict == "fail":
        ages = withhold(ages)
    result = CaseResult(
        case=case,
        regions=region_rows(
            scheme,
            membership(scheme),
            ages,
            features.thickness_mm,
            features.lesioned_fraction,
            lesion.side,
            loads,
            volumes_ml,
        ),
        parcels=parcel_rows(features),
        lesion=lesion,
        scheme=scheme.name,
        qc=quality.verdict,
        image_grade=grade.as_dict() if grade else None,
        warnings=(
            *quality.failures,
            *notes,
            *(head.warnings if head else ()),
            *(head.not_t1 if head and route == FREESURFER else ()),
            *quality.reasons,
            *([calibration.caution] if calibration and calibration.caution else []),
            *advice(case.known_age_years, model.tested_ages_years, case.days_post_stroke, lesion),
        ),
        calibration=ages.calibrated,
        model={"name": model.name, "version": model.version, "charts": model.rests_on_charts},
        seconds=steps.seconds,
        provenance={
            "inputs": inputs,
            "software": software_versions(),
            "parameters": {
                "threads": threads,
                "thickness_from": route,
                "tract": "own" if tracts else "built-in",
            },
            "registration_similarity": head.registration.similarity if head else None,
            "peak_memory_mb": peak_memory_mb(),
        },
        asymmetries=asymmetries(model, ages, case.age_years, scheme.pairs),
        structures=structure_rows(structures) if structures else (),
        global_age=global_age_result(ages),
    )
    return replace(result, in_health=in_health(result, model.as_many)), head, scan


def _quality(
    case: Case, scan: Scan | None, head: Head | None, features: Features, ages: Ages, grade: ImageGrade | None
) -> Quality:
    from_t1 = ages.route == T1
    return judge(
        similarity=head.registration.similarity if head else None,
        brain_volume_ml=float(head.volumes.brain.array.sum() * head.volumes.brain.voxel_volume_ml) if head else None,
        thickness_mm=features.thickness_mm,
        lesioned_fraction=features.lesioned_fraction,
        age_years=case.known_age_years,
        pads_years=np.asarray(ages.pad_corrected_years, dtype=float),
        misfit=float(ages.misfit),
        route=ages.route,
        not_t1=head.not_t1 if head and from_t1 else (),
        skull_stripped=scan is not None and from_t1 and skull_stripped(scan.t1),
        structures=head.structure_quality if head else None,
        image_grade=grade,
    )


def brain_features(
    parcels: ParcelFeatures, structures: StructureVolumes | None, lesion: LesionResult, route: str
) -> Features:
    """What the model is given: cortex, structures where they were measured, and where the lesion lies."""
    sides_ml = hemisphere_volumes_ml(lesion.volume_ml, lesion.side)
    if structures is None:
        return features_of_parcels(parcels, sides_ml, route)
    volumes_mm3, lesioned = structures.arrays()
    return features_of_parcels(
        parcels,
        sides_ml,
        route,
        volumes_mm3=volumes_mm3,
        structure_lesioned_fraction=np.nan_to_num(lesioned),
        intracranial_volume_mm3=structures.intracranial_mm3,
    )


def _lesion(head: Head | None, tracts: tuple[Image, Image] | None) -> LesionResult:
    """Volume, side and tract loads; `tracts` are the user's own, None for the built-in ones."""
    if head is None or head.lesion is None:
        return LesionResult(0.0, "none", 0.0, 0.0, 0.0, 0.0)
    summary = summarise_lesion(head.lesion, head.registration)
    tracts = tracts or corticospinal_tract()
    first = head.registration.to_template(head.lesion, like=tracts[0])
    second = first if same_grid(*tracts) else head.registration.to_template(head.lesion, like=tracts[1])
    return LesionResult(
        volume_ml=summary.volume_ml,
        side=summary.side,
        load_cst_left=tract_load(first, tracts[0]),
        load_cst_right=tract_load(second, tracts[1]),
        load_cst_weighted_left=weighted_tract_load(first, tracts[0]),
        load_cst_weighted_right=weighted_tract_load(second, tracts[1]),
        other_side_ml=summary.other_side_ml,
    )


def _loads(head: Head | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Load (fraction) and volume (ml) of every region; without an image there is nothing to measure."""
    if head is None:
        return np.zeros(count), np.full(count, np.nan)
    regions = head.volumes.regions
    box = bounding_box(regions.codes.array > 0, np.zeros(3))
    masks = regions.with_codes(cropped(regions.codes, box)).masks()
    volumes_ml = np.array([np.count_nonzero(mask.array) * mask.voxel_volume_ml for mask in masks])
    return region_loads(cropped(head.volumes.lesion, box), masks), volumes_ml
