"""Regional ages of many measured people: no images, all at once, in memory that does not grow with their number."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..age.ages import Ages
from ..age.features import features_of_parcels
from ..age.model.brain_age_model import BrainAgeModel
from ..age.model.calibration import Calibration, read_calibration
from ..age.model.model_files import load_model
from ..age.people import people_of_features
from ..anatomy.parcels import PARCEL_NAMES, ParcelFeatures
from ..anatomy.regions import RegionScheme, load_scheme, membership
from ..case.quality import judge, withhold
from ..case.result.result import CaseResult, hemisphere_volumes_ml
from ..case.result.rows import global_age_result, region_rows
from ..case.result.tables import PROCESSED_NAME, REGION_COLUMNS, processed_columns
from ..errors import Cancelled, InputError
from ..files.atomic_file import write_atomically
from ..files.tables import sidecar_text
from .lists.case_list import FailedCase
from .lists.parcel_lists import Measured, read_measured
from .review.decisions import read_decisions, with_decision
from .run.batch import BatchSummary
from .run.case_records import Store
from .run.local_pool import usable_cores
from .run.options import BatchOptions
from .run.progress import Meter, Progress
from .run.tables import StreamedTable, TableBefore, write_failed

SCORED_REGIONS_NAME = "scored_regions.tsv"
SCORED_COLUMNS = {"case_id": ("Identifier of the case.", None), **REGION_COLUMNS}
_TOGETHER = 500


@dataclass(frozen=True)
class Scorer:
    """A model and a scheme, with what they need for many people."""

    model: BrainAgeModel
    scheme: RegionScheme
    weights: np.ndarray

    def results(self, people: Sequence[Measured]) -> list[CaseResult | FailedCase]:
        """What `case` would give for each person, without images; in the order given."""
        found: dict[int, CaseResult | FailedCase] = {}
        groups: dict[tuple[Path | None, bool], list[int]] = {}
        for index, person in enumerate(people):
            groups.setdefault((person.case.calibration, person.from_t1), []).append(index)
        for (calibration, from_t1), indices in groups.items():
            group = [people[index] for index in indices]
            try:
                ages = self._ages(group, _calibration(calibration), from_t1)
            except InputError as error:
                for index in indices:
                    person = people[index]
                    found[index] = FailedCase(person.line, person.case.case_id, "list", str(error))
                continue
            for row, index in enumerate(indices):
                found[index] = self._result(people[index], ages.person(row))
        return [found[index] for index in range(len(people))]

    def _ages(self, group: Sequence[Measured], calibration: Calibration | None, from_t1: bool) -> Ages:
        cases = [person.case for person in group]
        features = [
            features_of_parcels(
                ParcelFeatures(
                    PARCEL_NAMES, person.thickness_mm, person.lesioned_fraction, np.zeros(len(PARCEL_NAMES))
                ),
                hemisphere_volumes_ml(person.lesion.volume_ml, person.lesion.side),
                "T1" if from_t1 else "FreeSurfer",
                volumes_mm3=person.volumes_mm3,
                intracranial_volume_mm3=person.intracranial_mm3,
            )
            for person in group
        ]
        people = people_of_features(
            features,
            [case.case_id for case in cases],
            [case.age_years for case in cases],
            [case.sex for case in cases],
        )
        return self.model.predict_people(people, calibration)

    def _result(self, person: Measured, ages: Ages) -> CaseResult:
        quality = judge(
            similarity=None,
            brain_volume_ml=None,
            thickness_mm=person.thickness_mm,
            lesioned_fraction=person.lesioned_fraction,
            age_years=person.case.age_years,
            pads_years=np.asarray(ages.pad_corrected_years, dtype=float),
            misfit=float(ages.misfit),
            route=ages.route,
        )
        if quality.verdict == "fail":
            ages = withhold(ages)
        absent = 0.0 if person.lesion.side == "none" else np.nan
        regions = region_rows(
            self.scheme,
            self.weights,
            ages,
            person.thickness_mm,
            person.lesioned_fraction,
            person.lesion.side,
            np.array([person.loads.get((r.network.lower(), r.hemisphere), absent) for r in self.scheme.regions]),
            np.full(len(self.scheme.regions), np.nan),
        )
        return CaseResult(
            case=person.case,
            regions=regions,
            parcels=(),
            lesion=person.lesion,
            scheme=self.scheme.name,
            qc=quality.verdict,
            warnings=(*quality.failures, *quality.reasons),
            calibration=ages.calibrated,
            model={"name": self.model.name, "version": self.model.version},
            seconds={},
            global_age=global_age_result(ages),
        )


def make_scorer(model: Path | None = None, scheme: Path | None = None) -> Scorer:
    """A scorer of a model folder and a scheme file; of the shipped ones where None.

    Raises
    ------
    InputError : one is not usable, or they do not belong together.
    """
    regions = load_scheme(scheme)
    return Scorer(load_model(model, regions), regions, membership(regions))


def score_list(
    path: Path,
    out_dir: Path,
    options: BatchOptions,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BatchSummary:
    """Score a list of measured people (`parcel_lists`) into processed_cases.csv and scored_regions.tsv.

    The tables appear when all is done; a run that was killed is simply run again.

    Raises
    ------
    InputError : list, model, scheme, calibration or output folder are not usable.
    Cancelled : the `cancelled` callback returned True; the tables are as before.
    """
    start = time.monotonic()
    scorer = make_scorer(options.model, options.scheme)
    torch.set_num_threads(options.workers or usable_cores())
    people = read_measured(path, calibration=options.calibration, freesurfer_thickness=options.freesurfer_thickness)
    columns = processed_columns([network.lower() for network in scorer.scheme.networks])
    failed: list[FailedCase] = []
    done: set[str] = set()
    with Store(out_dir).owned():
        decisions = read_decisions(out_dir)
        before = TableBefore.read(out_dir, columns)
        processed = StreamedTable(out_dir / PROCESSED_NAME, [*columns, *before.added], csv_file=True)
        regions = StreamedTable(out_dir / SCORED_REGIONS_NAME, list(SCORED_COLUMNS))
        meter = Meter(_count_lines(path) - 1, progress, options.show_bar)
        try:
            with processed, regions:
                for part in _parts(people, failed, meter):
                    if cancelled is not None and cancelled():
                        raise Cancelled("Cancelled.", "The tables are as before.")
                    results = scorer.results(part)
                    failed += [result for result in results if isinstance(result, FailedCase)]
                    good = [result for result in results if isinstance(result, CaseResult)]
                    rows = [before.with_added(result.processed_row(__version__)) for result in good]
                    processed.add(with_decision(row, decisions) for row in rows)
                    regions.add(_rows_of(good))
                    done.update(result.case.case_id for result in good)
                    for result in results:
                        meter.ended(isinstance(result, FailedCase))
                    meter.update([])
                wrong = {case.case_id for case in failed}
                others = before.others(done | wrong)
                processed.add(with_decision(row, decisions) for row in others)
        finally:
            meter.close()
        write_atomically(out_dir / f"{Path(SCORED_REGIONS_NAME).stem}.json", sidecar_text(SCORED_COLUMNS))
        write_failed(out_dir, failed)
    kept = f"The table also holds {len(others)} case(s) that are not in this list; they were kept."
    return BatchSummary(
        done=len(done),
        unchanged=0,
        failed=tuple(sorted(failed, key=lambda case: case.line)),
        table=out_dir / PROCESSED_NAME,
        remarks=(kept,) if others else (),
        seconds=time.monotonic() - start,
        peak_memory_mb=0.0,
    )


def _parts(people: Iterator[Measured | FailedCase], failed: list[FailedCase], meter: Meter) -> Iterator[list[Measured]]:
    while part := list(islice(people, _TOGETHER)):
        broken = [person for person in part if isinstance(person, FailedCase)]
        failed += broken
        for _ in broken:
            meter.ended(failed=True)
        yield [person for person in part if isinstance(person, Measured)]


def _rows_of(results: Iterable[CaseResult]) -> Iterator[dict[str, object]]:
    for result in results:
        for region in result.regions:
            yield {"case_id": result.case.case_id, **vars(region)}


@lru_cache(maxsize=64)
def _calibration(path: Path | None) -> Calibration | None:
    return None if path is None else read_calibration(path)


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
