"""Each published score is a RiskAssessment that FHIR R4 takes, whatever its status; who has none has no resource."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.store.replays import Criteria
from scorer.governance.recall import recall
from scorer.jobs.job import Job
from tests.integration.fhir_rules import require_valid

VIEW = "SELECT entity_id, resource, lacks, status FROM reporting.fhir_risk_assessments WHERE job = 'sepsis'"


def resources(hospital: Any, *, status: str = "final") -> dict[str, dict[str, Any]]:
    """The resources of a status, by entity; each is valid."""
    return {
        entity: require_valid(resource)
        for entity, resource, lacks, found in hospital.rows(VIEW)
        if found == status and lacks is None
    }


def test_each_current_score_is_a_resource_that_says_what_the_score_says(scored: Any) -> None:
    assert scored.run().counts.scored == 30
    found = resources(scored)
    rows = scored.rows(
        "SELECT entity_id, score_id, score, risk_band, as_of, valid_until, model_version, job_version FROM reporting.score_history"
    )
    assert len(rows) == len(found) == 30
    for entity, score_id, score, band, as_of, valid_until, model_version, job_version in rows:
        resource = found[entity]
        assert resource["id"] == f"sepsis-{score_id}"
        assert resource["identifier"] == [{"value": str(score_id)}]
        assert resource["status"] == "final"
        assert resource["subject"] == {"reference": f"Patient/C{entity}", "type": "Patient"}
        assert resource["encounter"] == {"reference": f"Encounter/{entity}", "type": "Encounter"}
        assert datetime.fromisoformat(resource["occurrenceDateTime"]) == as_of
        assert resource["method"] == {"text": f"job sepsis {job_version}, model {model_version}"}
        (prediction,) = resource["prediction"]
        assert prediction["outcome"] == {"text": "Sepsis within six hours"}
        assert prediction["probabilityDecimal"] == pytest.approx(100 * score, rel=1e-12), "R4 has percentages"
        assert prediction["qualitativeRisk"] == {"text": band}
        period = {key: datetime.fromisoformat(value) for key, value in prediction["whenPeriod"].items()}
        assert period == {"start": as_of, "end": valid_until}


def test_the_basis_is_the_observations_of_its_reasons_without_their_values(scored: Any) -> None:
    scored.run()
    reasons: dict[str, set[str]] = {}
    for entity, observation in scored.rows(
        "SELECT entity_id, observation_id FROM reporting.score_reasons WHERE observation_id IS NOT NULL"
    ):
        reasons.setdefault(entity, set()).add(observation)
    assert set(reasons) == {"10", "20", "30"}
    for entity, resource in resources(scored).items():
        basis = resource.get("basis", [])
        assert {each["identifier"]["value"] for each in basis} == reasons.get(entity, set())
        assert len(basis) == len(reasons.get(entity, set()))
        assert all(each["type"] == "Observation" for each in basis)
        assert all(re.fullmatch(r"[A-Z0-9_]+ of [0-9T:.\-]+Z", each["display"]) for each in basis)
        assert "140" not in json.dumps(basis), "a value of the patient's"


@pytest.fixture
def templated(scored: Any, changed_job: Callable[..., Job]) -> Callable[[str], Any]:
    """The scored hospital, with another [fhir] of its job."""

    def change(section: str) -> Any:
        old = 'subject = "Patient/{client}"\nencounter = "Encounter/{entity_id}"\noutcome = { text = "Sepsis within six hours" }'
        scored.job = changed_job(("job.toml", old, section))
        return scored

    return change


def test_codes_and_observations_by_reference_are_as_the_job_says(templated: Callable[[str], Any]) -> None:
    hospital = templated(
        'subject = "https://fhir.example/r4/Patient/h1-{client}"\nobservation = "Observation/lab-{observation_id}"\n'
        'system = "https://hospital.example/scores"\nid_prefix = "north"\n'
        'outcome = { system = "http://snomed.info/sct", code = "91302008", display = "Sepsis (disorder)" }\n'
        'bands = { HIGH = "moderate", LOW = "negligible" }'
    )
    hospital.run()
    for entity, resource in resources(hospital).items():
        assert resource["id"].startswith("north-sepsis-")
        assert resource["identifier"][0]["system"] == "https://hospital.example/scores"
        assert resource["subject"]["reference"] == f"https://fhir.example/r4/Patient/h1-C{entity}"
        assert "encounter" not in resource
        (prediction,) = resource["prediction"]
        assert prediction["outcome"]["coding"][0]["code"] == "91302008"
        assert prediction["outcome"]["text"] == "sepsis_probability"
        codes = {"HIGH": ["moderate"], "LOW": ["negligible"], "MEDIUM": []}
        risk = prediction["qualitativeRisk"]
        assert [each["code"] for each in risk.get("coding", [])] == codes[risk["text"]]
        assert all(each["reference"].startswith("Observation/lab-") for each in resource.get("basis", []))
    assert any("basis" in each for each in resources(hospital).values())


OF_THEIR_VISITS = (
    "UPDATE patient_observations AS o SET client = v.client FROM visits AS v WHERE v.visit_id = o.visit_id"
)
ODD = ["C_1", "№ 7 ♥", 'o\'Neill "North"', "back\\slash\nline", "a" * 65, "1/2", "{client}", " x ", "%s :name"]


def test_what_is_no_id_of_fhir_is_told_as_an_identifier_whole(hospital: Any) -> None:
    for visit, client in enumerate(ODD, start=1):
        hospital.admit(visit, client=client)
    hospital.execute(OF_THEIR_VISITS)
    assert hospital.run().counts.scored == len(ODD)
    found = resources(hospital)
    for visit, client in enumerate(ODD, start=1):
        assert found[str(visit)]["subject"] == {"type": "Patient", "identifier": {"value": client}}


def test_a_score_whose_subject_is_not_known_has_no_resource_and_says_so(hospital: Any) -> None:
    hospital.admit(1, client=None)
    hospital.admit(2, client="  ")
    hospital.admit(3)
    hospital.admit(4, client="C\x01")  # no string of FHIR has such a character
    hospital.execute(OF_THEIR_VISITS)
    assert hospital.run().counts.scored == 4
    told = {entity: (resource is None, lacks) for entity, resource, lacks, _ in hospital.rows(VIEW)}
    assert told == {"1": (True, "client"), "2": (True, "client"), "3": (False, None), "4": (True, "client")}


def test_who_has_no_score_has_no_row(scored: Any) -> None:
    scored.admit(101, observations=1)
    scored.admit(102, age_years=430.0)
    scored.run()
    statuses = scored.statuses()
    without = {entity for entity, status in statuses.items() if status != "SCORED"}
    assert "101" in without
    assert set(resources(scored)) == set(statuses) - without
    assert not without & {entity for entity, *_ in scored.rows(VIEW)}


def test_a_score_stands_as_it_was_while_its_entity_is_held_or_declined_later(scored: Any) -> None:
    scored.run()
    before = resources(scored)
    scored.execute(
        "UPDATE scorer.current_scores SET status = 'QUARANTINED', reason = 'a rule', judged_by_job = 'a later version' "
        "WHERE entity_id = '7'"
    )
    scored.execute(
        "UPDATE scorer.current_scores SET status = 'INDETERMINATE', reason = 'unlike', judged_by_job = 'a later version' "
        "WHERE entity_id = '8'"
    )
    assert resources(scored) == before


def test_a_stale_score_is_final_and_its_period_is_over(scored: Any) -> None:
    scored.run()
    assert scored.one("SELECT bool_and(stale) FROM reporting.current_scores")
    for resource in resources(scored).values():
        (prediction,) = resource["prediction"]
        assert datetime.fromisoformat(prediction["whenPeriod"]["end"]) < datetime.now(UTC)


def test_a_score_that_is_superseded_is_followed_by_another_resource(scored: Any) -> None:
    scored.run()
    before = resources(scored)
    scored.observe(5, hours_ago=-0.5, observation_value=139.0)
    scored.run(as_of=scored.noon + timedelta(hours=1))
    after = resources(scored)
    assert {entity for entity in after if after[entity]["id"] != before[entity]["id"]} == {"5"}


def test_a_recalled_score_is_entered_in_error_and_otherwise_the_same(scored: Any) -> None:
    scored.run()
    before = resources(scored)
    database = Database(scored.url, scored.settings)
    recall("sepsis", Criteria(model_version="by-hand"), why="a mix-up", database=database, anyway=True)
    assert resources(scored) == {}
    after = resources(scored, status="entered-in-error")
    assert after == {entity: {**each, "status": "entered-in-error"} for entity, each in before.items()}


def test_a_version_of_the_job_without_the_section_has_no_resources(
    scored: Any, changed_job: Callable[..., Job]
) -> None:
    text = (scored.job.text.split("[fhir]")[1]).split("[statements]")[0]
    scored.job = changed_job(("job.toml", f"[fhir]{text}", ""))
    assert scored.job.fhir is None
    scored.run()
    assert {(resource, lacks) for _, resource, lacks, _ in scored.rows(VIEW)} == {(None, "[fhir]")}


def test_the_resource_of_one_entity_is_looked_up_by_indexes(scored: Any) -> None:
    scored.run()
    scored.execute(
        "INSERT INTO scorer.current_scores (job, entity_id, output, status, status_as_of, status_known_at, status_at, input_hash, "
        "judged_by_job) SELECT 'sepsis', g::text, 'sepsis_probability', 'INSUFFICIENT', now(), now(), now(), '', 'v' "
        "FROM generate_series(1000, 5000) AS g; ANALYZE scorer.current_scores"
    )
    # Of thirty rows the other tables are read as a whole, whatever indexes they have.
    scored.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    plan = "\n".join(line for (line,) in scored.rows(f"EXPLAIN {VIEW} AND entity_id = '7'"))
    assert "Seq Scan" not in plan
    keys = re.findall(r"Index Scan using (\w+) on (\w+).*\n +Index Cond: (.*)", plan)
    by_entity = {index for index, _, condition in keys if "(entity_id = '7'::text)" in condition}
    assert "current_scores_pkey" in by_entity
    assert len(by_entity) > 1, "of the ledger, for recalled scores, too"
    of_reasons = [condition for _, table, condition in keys if table.startswith("score_reasons")]
    assert of_reasons
    assert all("score_id = " in condition for condition in of_reasons)
