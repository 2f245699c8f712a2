"""An OMOP CDM as a job's source: the same scores as from native tables, and what a CDM has that these have not."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.checks.in_depth.statements import check_statements
from scorer.config import shipped_root
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.source.load import load
from scorer.database.source.reader import Source
from scorer.database.source.sample import generate, write
from scorer.database.statements import for_psycopg2
from scorer.database.store.requests import find_asked
from scorer.jobs.folder.omop import copy_for_omop
from scorer.jobs.job import load_job
from scorer.jobs.sql_text import without_comments
from scorer.registry import registration
from scorer.runs.plan import plan_run
from scorer.types.values import WorkItem
from tests.cohorts import omop

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the proofs of the job's rules are kept, so that they are made once."""
    return tmp_path_factory.mktemp("proofs")


@pytest.fixture
def cdm(hospital: Any, tmp_path: Path, proofs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Converts the hospital's tables into a CDM; gives the hospital with the job that reads it, enabled."""
    jobs_dir = tmp_path / "jobs"
    monkeypatch.setenv("CACHE_DIRECTORY", str(proofs))
    hospital.settings = replace(hospital.settings, jobs_dir=jobs_dir)

    def give(*, other_units: bool = False) -> Any:
        with closing(hospital.connect()) as connection:
            omop.convert(connection, other_units=other_units)
        if not jobs_dir.exists():
            copy_for_omop("sepsis_omop", jobs_dir=jobs_dir, like="sepsis")
            registration.enable_job("sepsis_omop", database=Database(hospital.url, hospital.settings))
        granted = registration.grant_source(database=Database(hospital.url, hospital.settings), jobs=["sepsis_omop"])
        assert granted == {"sepsis_omop": None}
        hospital.job = load_job("sepsis_omop", jobs_dir=jobs_dir)
        return hospital

    return give


def outcomes(hospital: Any, job: str) -> dict[str, tuple[Any, ...]]:
    """By entity how it ended, its score and band, and as of when."""
    found = hospital.rows(
        "SELECT entity_id, status, score, risk_band, as_of FROM reporting.current_scores WHERE job = %s", job
    )
    return {entity: rest for entity, *rest in found}


def load_native(hospital: Any, folder: Path, tmp_path: Path) -> None:
    with closing(hospital.connect()) as connection:
        load(folder, connection=connection, rejects=tmp_path / "rejects.csv")
    # A CDM does not say when a row was recorded: it is known from its own time on.
    hospital.execute("UPDATE patient_observations SET recorded_at = observation_date")


def write_few(folder: Path, out: Path, *, every: int) -> None:
    """Write of a set's visits, and their observations, those whose number can be divided by `every`; all in one facility."""
    out.mkdir()
    for table, more in (("visits", (",facility", f",{folder.name}")), ("patient_observations", ("", ""))):
        with gzip.open(folder / f"{table}.csv.gz", "rt") as source, (out / f"{table}.csv").open("w") as target:
            target.write(f"{next(source).rstrip()}{more[0]}\n")
            target.writelines(
                f"{line.rstrip()}{more[1]}\n" for line in source if int(line.partition(",")[0]) % every == 0
            )


def compare(cdm: Callable[..., Any], hospital: Any, *, as_of: datetime, scored: int) -> None:
    """The native tables' scores and those of the CDM, bit for bit; and of one in other units, to 1e-9."""
    hospital.run(as_of=as_of)
    native = outcomes(hospital, "sepsis")
    assert sum(score is not None for _, score, _, _ in native.values()) >= scored
    ended = cdm().run(as_of=as_of)
    assert ended.counts.eligible == len(native)
    assert outcomes(hospital, "sepsis_omop") == native
    again = hospital.run(as_of=as_of)
    assert (again.counts.scored, again.counts.failed) == (0, 0)
    other = cdm(other_units=True)
    assert (
        other.one(
            "SELECT count(DISTINCT unit_concept_id) FROM cdm.measurement WHERE unit_concept_id IN (9289, 44777602, 8749)"
        )
        == 3
    )
    other.run(as_of=as_of)
    converted = outcomes(hospital, "sepsis_omop")
    assert converted.keys() == native.keys()
    for entity, (status, score, band, at) in native.items():
        assert converted[entity][0] == status
        assert converted[entity][2:] == [band, at]
        assert score is None or abs(converted[entity][1] - score) <= 1e-9


def test_a_sample_gives_the_same_scores_bit_for_bit(cdm: Callable[..., Any], hospital: Any, tmp_path: Path) -> None:
    facts = json.loads((shipped_root() / "sql" / "sepsis" / "cohort.json").read_text(encoding="utf-8"))
    write(generate(facts, visits=300, seed=7, first_visit=1, now=NOW), tmp_path)
    load_native(hospital, tmp_path, tmp_path)
    compare(cdm, hospital, as_of=NOW, scored=200)


def with_findings(hospital: Any, cdm: Callable[..., Any]) -> Any:
    """A CDM of one stay, of visit 1, in whose measurements tests change something."""
    hospital.noon = NOW
    hospital.admit(1, 2, client="C", observations=12)
    hospital.execute("UPDATE patient_observations SET client = 'C'")
    return cdm()


def find(hospital: Any, rule: str) -> list[tuple[Any, ...]]:
    """(entity, observation, observed) of the open findings of a rule."""
    return [
        (entity, observation, observed)
        for entity, found, _, observation, observed in hospital.open_findings()
        if found == rule
    ]


UNKNOWN = {
    "none": ("NULL", "0"),
    "no concept": ("0", "0"),
    "another that the concept does not have": ("8582", "8582"),
}


@pytest.mark.parametrize("unit", UNKNOWN)
def test_a_value_in_an_unknown_unit_is_a_finding_and_counts_in_no_other(
    cdm: Callable[..., Any], hospital: Any, unit: str
) -> None:
    stored, told = UNKNOWN[unit]
    ward = with_findings(hospital, cdm)
    newest = ward.one(
        "SELECT max(measurement_id) FROM cdm.measurement WHERE visit_occurrence_id = 1 AND measurement_concept_id = 3027018"
    )
    ward.execute(
        f"UPDATE cdm.measurement SET unit_concept_id = {stored}, unit_source_value = '/min', value_as_number = 61.25 "
        "WHERE measurement_id = %s",
        newest,
    )
    ward.run()
    assert find(ward, "unit_in_map") == [("1", str(newest), f"HR 61.25 {told}")]
    assert find(ward, "value_present") == [("1", str(newest), "HR null")]
    without = dict(ward.rows("SELECT entity_id, score FROM reporting.current_scores WHERE job = 'sepsis_omop'"))
    assert without["1"] is not None
    ward.execute("DELETE FROM cdm.measurement WHERE measurement_id = %s", newest)
    ward.run(as_of=NOW + timedelta(seconds=1))
    assert dict(ward.rows("SELECT entity_id, score FROM reporting.current_scores WHERE job = 'sepsis_omop'")) == without


def test_a_value_without_a_unit_counts_once_the_map_says_in_which_it_is(
    cdm: Callable[..., Any], hospital: Any, tmp_path: Path
) -> None:
    ward = with_findings(hospital, cdm)
    ward.run()
    before = outcomes(ward, "sepsis_omop")
    ward.execute("UPDATE cdm.measurement SET unit_concept_id = NULL WHERE measurement_concept_id = 3027018")
    ward.run()
    assert find(ward, "unit_in_map")
    concepts = tmp_path / "jobs" / "sql" / "sepsis_omop" / "concepts.csv"
    concepts.write_text(concepts.read_text() + "HR,8867-4,3027018,/min,0,1,0\n")
    ward.job = load_job("sepsis_omop", jobs_dir=tmp_path / "jobs")
    ward.run()
    assert find(ward, "unit_in_map") == []
    assert outcomes(ward, "sepsis_omop") == before


def test_a_limit_counts_as_the_value_and_is_told(cdm: Callable[..., Any], hospital: Any) -> None:
    ward = with_findings(hospital, cdm)
    ward.run()
    before = outcomes(ward, "sepsis_omop")
    ward.execute(
        "UPDATE cdm.measurement SET operator_concept_id = 4171756 WHERE measurement_concept_id = 3027018 AND visit_occurrence_id = 1"
    )
    ward.execute("UPDATE cdm.measurement SET operator_concept_id = 4172703 WHERE visit_occurrence_id = 2")
    ward.run()
    ((entity, _, observed),) = find(ward, "value_is_exact")
    assert (entity, observed.partition(" (")[0]) == ("1", "HR 4171756")
    assert outcomes(ward, "sepsis_omop") == before


ODD = {
    "a number that no double holds": ("value_as_number = 1e999", "value_finite", "HR inf"),
    "one too small for a double": ("value_as_number = 1e-999", None, None),
    "infinity": ("value_as_number = 'Infinity'", "value_finite", "HR inf"),
    "a date without a time": ("measurement_datetime = NULL", "date_present", "HR"),
    "a date that stands for none": ("measurement_datetime = '9999-12-31'", "not_in_future", "HR 9999-12-31T00:00:00.000000Z"),
    "another person's": ("person_id = 0", "one_client", None),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_a_cdm_may_hold_is_a_finding_and_stops_nothing(cdm: Callable[..., Any], hospital: Any, what: str) -> None:
    change, rule, observed = ODD[what]
    ward = with_findings(hospital, cdm)
    one = ward.one(
        "SELECT min(measurement_id) FROM cdm.measurement WHERE visit_occurrence_id = 1 AND measurement_concept_id = 3027018"
    )
    ward.execute(f"UPDATE cdm.measurement SET {change} WHERE measurement_id = %s", one)
    ended = ward.run()
    assert ended.counts.eligible == 2
    assert ended.counts.failed == 0
    if rule is not None:
        ((_, observation, seen),) = find(ward, rule)
        assert observation == str(one)
        assert observed is None or seen == observed


def test_the_clock_of_the_cdm_is_that_of_the_job(cdm: Callable[..., Any], hospital: Any, tmp_path: Path) -> None:
    ward = with_findings(hospital, cdm)
    ward.run()
    before = outcomes(ward, "sepsis_omop")
    for table, columns in {
        "person": ("birth_datetime",),
        "visit_occurrence": ("visit_start_datetime", "visit_end_datetime"),
        "visit_detail": ("visit_detail_start_datetime", "visit_detail_end_datetime"),
        "measurement": ("measurement_datetime",),
    }.items():
        moved = ", ".join(f"{each} = {each} AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Kolkata'" for each in columns)
        ward.execute(f"UPDATE cdm.{table} SET {moved}")
    definition = tmp_path / "jobs" / "sql" / "sepsis_omop" / "job.toml"
    definition.write_text(
        definition.read_text().replace('timezone = "UTC"                #', 'timezone = "Asia/Kolkata" #')
    )
    ward.job = load_job("sepsis_omop", jobs_dir=tmp_path / "jobs")
    assert ward.job.parameters["timezone"] == "Asia/Kolkata"
    ward.run()
    assert outcomes(ward, "sepsis_omop") == before


def attributes(ward: Any, entity: str) -> dict[str, Any]:
    item = WorkItem(entity_id=entity, as_of=NOW)
    with closing(Source(Target.of(ward.url, ward.settings, role=ward.settings.worker_role))) as source:
        found = source.attributes(ward.job, [item])
    given = {**found.numbers, **found.texts, **found.times}
    return {name: values[0] for name, values in given.items()}


def test_an_age_is_told_by_what_is_known_of_a_birth(cdm: Callable[..., Any], hospital: Any) -> None:
    ward = with_findings(hospital, cdm)
    ward.execute("UPDATE cdm.visit_detail SET visit_detail_start_datetime = '2026-03-01 00:00'")
    for year, month, day, age in (
        (1980, 3, 1, 46.0),
        (1980, 3, None, 45.96),
        (1980, None, None, 45.666),
        (0, 3, 1, None),
        (1980, 99, 99, 45.666),
    ):
        ward.execute(
            "UPDATE cdm.person SET birth_datetime = NULL, year_of_birth = %s, month_of_birth = %s, day_of_birth = %s",
            year,
            month,
            day,
        )
        found = attributes(ward, "1")["age_years"]
        assert found == pytest.approx(age, abs=0.005) if age is not None else math.isnan(found)


def test_a_stay_is_from_the_first_part_in_intensive_care_to_the_last(cdm: Callable[..., Any], hospital: Any) -> None:
    ward = with_findings(hospital, cdm)
    ward.execute(
        "UPDATE cdm.visit_detail SET visit_detail_end_datetime = '2026-03-01 03:00' WHERE visit_occurrence_id = 1"
    )
    parts = (
        "INSERT INTO cdm.visit_detail SELECT %s, person_id, %s, visit_detail_start_date, %s, visit_detail_end_date, %s, 0, NULL, 1 "
        "FROM cdm.visit_detail WHERE visit_detail_id = 1"
    )
    ward.execute(parts, 71, 9201, "2026-02-27 00:00", "2026-03-01 11:00")  # a ward
    ward.execute(parts, 72, 581379, "2026-03-01 05:00", "2026-03-01 09:00")
    ward.execute("UPDATE cdm.visit_occurrence SET visit_concept_id = 9202 WHERE visit_occurrence_id = 2")
    ward.execute("DELETE FROM cdm.visit_detail WHERE visit_occurrence_id = 2")
    ward.run()
    assert {entity: at for entity, (_, _, _, at) in outcomes(ward, "sepsis_omop").items()} == {
        "1": datetime(2026, 3, 1, 9, tzinfo=UTC)
    }
    known = attributes(ward, "1")
    assert (known["unit"], known["hours_before_icu"]) == ("MICU", 3.0)
    ward.execute(
        "UPDATE cdm.visit_occurrence SET visit_concept_id = 32037, visit_start_datetime = '2026-03-01 02:00' WHERE visit_occurrence_id = 2"
    )
    ward.run(as_of=NOW + timedelta(minutes=1))
    assert "2" in outcomes(ward, "sepsis_omop")
    assert math.isnan(attributes(ward, "2")["hours_before_icu"])


def test_a_request_finds_a_stay_and_no_other_visit(cdm: Callable[..., Any], hospital: Any) -> None:
    ward = with_findings(hospital, cdm)
    ward.execute("DELETE FROM cdm.visit_detail WHERE visit_occurrence_id = 2")
    with (
        closing(Session(Target.of(ward.url, ward.settings, role=ward.settings.worker_role))) as session,
        session.transaction(keep=False),
    ):
        assert [*find_asked(session, ward.job, ["1", "2", "3", "x", "1e5"], as_of=NOW)] == ["1"]


def test_a_look_reads_neither_all_visits_nor_all_measurements(cdm: Callable[..., Any], hospital: Any) -> None:
    ward = with_findings(hospital, cdm)
    ward.execute(
        "INSERT INTO cdm.visit_occurrence SELECT 1000 + n, 0, 9202, '2020-01-01', '2020-01-01', '2020-01-02', '2020-01-02', 0 "
        "FROM generate_series(1, 20000) AS n"
    )
    ward.execute(
        "INSERT INTO cdm.measurement (measurement_id, person_id, measurement_concept_id, measurement_date, measurement_type_concept_id, "
        "visit_occurrence_id) SELECT 100000 + n, 0, 3027018, '2020-01-01', 0, 1001 + n / 3 FROM generate_series(0, 50000) AS n"
    )
    for statement in (
        *filter(str.strip, without_comments(ward.job.statements["indexes"]).split(";")),
        "ANALYZE cdm.measurement, cdm.visit_occurrence, cdm.visit_detail",
    ):
        ward.execute(statement)
    steps = {step.name: str(step.plan) for step in plan_run(ward.job, database=Database(ward.url, ward.settings))}
    assert "Seq Scan on measurement" not in steps["observations"]
    assert "idx_measurement_visit_id_1" in steps["observations"]
    due, _ = for_psycopg2(without_comments(ward.job.statements["due"]))
    values = {"as_of": NOW, "sweep": False, "entity_ids": ["1"], **ward.job.parameters}
    with closing(ward.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {due}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute(due, values)
        assert sorted(entity for entity, *_ in cursor.fetchall()) == ["1", "2"]
    assert "Seq Scan on visit_occurrence" not in plan
    assert "visit_occurrence_end_idx" in plan


VOCABULARY = (
    "CREATE TABLE cdm.concept (concept_id integer PRIMARY KEY, concept_name varchar(255), vocabulary_id varchar(20), "
    "standard_concept varchar(1), concept_code varchar(50))"
)


def faults(ward: Any) -> list[str]:
    found = [
        each
        for each in check_statements(ward.job, database=Database(ward.url, ward.settings))
        if each.name == "source_faults"
    ]
    return (
        [each.found for each in found if not each.holds] if not all(each.holds for each in found) else [found[0].found]
    )


def test_the_map_is_compared_with_the_vocabulary(cdm: Callable[..., Any], hospital: Any) -> None:
    ward = with_findings(hospital, cdm)
    assert faults(ward) == ["not compared: cdm.concept is not there"]
    ward.execute(VOCABULARY)
    lines = [line.split(",") for line in (omop.SHIPPED / "sepsis" / "concepts.csv").read_text().splitlines()[1:]]
    known = {(int(line[2]), "LOINC", line[1]) for line in lines} | {(int(line[4]), "UCUM", line[3]) for line in lines}
    for concept, vocabulary, code in known:
        ward.execute("INSERT INTO cdm.concept VALUES (%s, '', %s, 'S', %s)", concept, vocabulary, code)
    assert (
        registration.grant_source(database=Database(ward.url, ward.settings), jobs=["sepsis_omop"])["sepsis_omop"]
        is None
    )
    assert faults(ward) == ["none: the source is as the job takes it to be"]
    ward.execute("DELETE FROM cdm.concept WHERE concept_id = 3021337")
    ward.execute("UPDATE cdm.concept SET concept_code = '1-8' WHERE concept_id = 3024171")
    ward.execute("UPDATE cdm.concept SET standard_concept = NULL WHERE concept_id = 3020891")
    assert sorted(faults(ward)) == [
        "concept 3020891 of TEMP is no standard concept in cdm.concept",
        "concept 3021337 of TROPONIN_I, which concepts.csv has, is not in cdm.concept",
        "concept 3024171 of RR is LOINC 9279-1 in concepts.csv and LOINC 1-8 in cdm.concept",
    ]


@pytest.mark.real_data
@pytest.mark.long
@pytest.mark.parametrize(
    ("cohort", "every", "as_of"), [("physionet2019", 5, "2025-06-01"), ("physionet2019_a", 10, "2026-01-01")]
)
def test_the_real_cohort_gives_the_same_scores_bit_for_bit(
    cdm: Callable[..., Any], hospital: Any, tmp_path: Path, real_cohort: Path, cohort: str, every: int, as_of: str
) -> None:
    folder = real_cohort.parent / cohort
    if not folder.exists():
        pytest.skip(f"needs the set {cohort} beside {real_cohort}")
    write_few(folder, tmp_path / "few", every=every)
    load_native(hospital, tmp_path / "few", tmp_path)
    compare(cdm, hospital, as_of=datetime.fromisoformat(f"{as_of}T00:00:00+00:00"), scored=400)
