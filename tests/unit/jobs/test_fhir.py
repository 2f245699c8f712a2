"""[fhir]: each mistake is one sentence that says what to write; what the view makes resources by is kept with the job version."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.jobs.fhir import LONGEST_ID, Fhir
from scorer.jobs.job import Job, load_job
from scorer.jobs.toml_table import TomlTable

SUBJECT = {"subject": "Patient/{client}"}


def read(**content: Any) -> Fhir:
    found = Fhir.read(TomlTable(content, where="job.toml: [fhir]"))
    assert found is not None
    return found


def refusal(**content: Any) -> str:
    with pytest.raises(UserError) as raised:
        read(**content)
    sentence = str(raised.value)
    assert sentence.startswith("job.toml: [fhir]")
    assert "\n" not in sentence
    return sentence


def test_a_job_without_the_section_has_none() -> None:
    assert Fhir.read(None) is None


def test_templates_are_taken_apart() -> None:
    found = read(
        subject="https://fhir.hospital.example:8443/r4/Patient/h1-{client}.x", encounter="Encounter/{entity_id}"
    )
    assert found.subject.as_json() == {
        "at": "https://fhir.hospital.example:8443/r4/Patient/",
        "type": "Patient",
        "before": "h1-",
        "attribute": "client",
        "after": ".x",
    }
    assert found.encounter is not None
    assert (found.encounter.at, found.encounter.attribute) == ("Encounter/", "entity_id")
    assert read(subject="Group/{ward}").subject.type == "Group"


@pytest.mark.parametrize(
    "template",
    [
        *(
            "{client}",
            "Patient",
            "Patient/",
            "Patient/17",
            "Patient/{}",
            "Patient {client}",
            "Patient/{client}/x",
            "/{client}",
        ),
        *(
            "Patient/{facility}-{client}",
            "Patient/a_b{client}",
            "ftp://x/Patient/{client}",
            "Patient?identifier={client}",
        ),
        "urn:uuid:{client}",
    ],
)
def test_a_template_that_is_no_reference_is_one_sentence(template: str) -> None:
    sentence = refusal(subject=template)
    assert '"subject" must be a reference' in sentence
    assert '"Patient/{client}"' in sentence
    assert sentence.endswith(f'not "{template}".')


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, '"subject" is missing: a RiskAssessment is of somebody'),
        ({"subject": "Location/{ward}"}, '"subject" must refer to Patient or Group, not to Location.'),
        ({**SUBJECT, "encounter": "Patient/{client}"}, '"encounter" must refer to Encounter, not to Patient.'),
        (
            {**SUBJECT, "observation": "Observation/{client}"},
            '"observation" takes {observation_id} alone, not {client}.',
        ),
        ({**SUBJECT, "system": "hospital"}, 'system must be a URI, such as "https://'),
        ({**SUBJECT, "id_prefix": "a_b"}, '"id_prefix" must be up to 20 letters'),
        ({**SUBJECT, "id_prefix": "a" * 21}, '"id_prefix" must be up to 20 letters'),
        ({**SUBJECT, "bands": {"HIGH": "grave"}}, "HIGH must be one of negligible, low, moderate, high, certain"),
        ({**SUBJECT, "outcome": {"code": "91302008"}}, 'a code needs both "system" and "code".'),
        ({**SUBJECT, "outcome": {"system": "snomed", "code": "91302008"}}, "system must be a URI"),
        ({**SUBJECT, "classes": {"ill": {"display": "Ill"}}}, 'a code needs both "system" and "code".'),
        ({**SUBJECT, "patient": "x"}, 'unknown key "patient"'),
        ({**SUBJECT, "outcome": {"txt": "x"}}, 'unknown key "txt"; did you mean "text"?'),
    ],
)
def test_what_fhir_does_not_take_is_one_sentence(content: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(**content)


Change = Callable[[str], Job]


@pytest.fixture
def with_section(tmp_path: Path) -> Change:
    """Loads the tests' second job with a [fhir] of its own."""

    def change(section: str) -> Job:
        shutil.copytree(Path(__file__).parents[2] / "jobs", tmp_path / "jobs")
        path = tmp_path / "jobs" / "sql" / "ward_load" / "job.toml"
        path.write_text(f"{path.read_text()}\n[fhir]\n{section}\n")
        return load_job("ward_load", jobs_dir=tmp_path / "jobs")

    return change


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (
            'subject = "Patient/{client}"',
            r'\[fhir\] "subject" names \{client\}, which the job does not publish; add it to published, or name one of: entity_id',
        ),
        ('subject = "Group/{entity_id}"\nencounter = "Encounter/{visit}"', r'"encounter" names \{visit\}'),
        (
            'subject = "Group/{entity_id}"\nbands = { HIGH = "high" }',
            'names "HIGH", which is no band of the job; there are: SHORT',
        ),
        (
            'subject = "Group/{entity_id}"\nclasses.ill = { text = "Ill" }',
            'names "ill", which is no class of the job; there are: none',
        ),
    ],
)
def test_a_section_that_names_what_the_job_has_not_is_one_sentence(
    with_section: Change, section: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as raised:
        with_section(section)
    assert "\n" not in str(raised.value)


def test_the_section_is_kept_with_the_job_version_and_is_a_part_of_it(with_section: Change) -> None:
    plain = load_job("ward_load", jobs_dir=Path(__file__).parents[2] / "jobs")
    assert "fhir" not in plain.definition
    job = with_section('subject = "Group/{entity_id}"\nbands = { SHORT = "moderate" }')
    assert job.version != plain.version
    kept = job.definition["fhir"]
    assert (kept["task"], kept["output"], kept["id"]) == ("regression", "nurses", "ward-load-")
    assert kept["bands"]["SHORT"] == {
        "text": "SHORT",
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/risk-probability",
                "code": "moderate",
                "display": "Moderate likelihood",
            }
        ],
    }


def test_the_shipped_job_has_its_section(sepsis: Job) -> None:
    kept = sepsis.definition["fhir"]
    assert (kept["subject"]["at"], kept["subject"]["attribute"]) == ("Patient/", "client")
    assert kept["outcome"] == {"text": "Sepsis within six hours"}


def test_ids_are_valid_and_apart_whatever_the_job_is_called(sepsis: Job) -> None:
    names = ["a", "a_b", "ab", "a" * 100, "a" * 99 + "b", "a" * 99 + "_"]
    found = {name: read(**SUBJECT).as_json(replace(sepsis, name=name))["id"] + str(2**63 - 1) for name in names}
    assert len(set(found.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9.\-]{1,64}", each) for each in found.values())
    assert all(len(each) <= LONGEST_ID for each in found.values())
    assert read(**SUBJECT, id_prefix="north").as_json(replace(sepsis, name="a_b"))["id"] == "north-a-b-"
