"""Shipped jobs of every task, on their examples, give valid FHIR resources once their job.toml has a [fhir]."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.jobs.job import load_job
from tests.integration.fhir_rules import require_valid

VALUE = "urn:uuid:0457eca6-646c-4ec9-aad2-6f3dd171e928"
COLUMNS = "f.resource, f.lacks, c.score, c.label, c.risk_band, c.outputs"
BESIDE = (
    f"SELECT {COLUMNS} FROM reporting.fhir_risk_assessments AS f JOIN reporting.current_scores AS c USING (job, entity_id, output) "
    "WHERE job = %s"
)


@pytest.fixture
def resources(with_example: Callable[[str], Any], tmp_path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Scores a shipped job's example by a copy that has a [fhir]: each resource with the row of current_scores beside it."""

    def give(name: str, section: str, *, as_of: datetime) -> list[tuple[Any, ...]]:
        hospital = with_example(name)
        site = tmp_path / "site"
        for kind in ("sql", "expectations"):
            shutil.copytree(shipped_root() / kind / name, site / kind / name)
        path = site / "sql" / name / "job.toml"
        path.write_text(f"{path.read_text(encoding='utf-8')}\n[fhir]\n{section}\n", encoding="utf-8")
        job = replace(load_job(name, jobs_dir=site), model_folder=hospital.job.model_folder)
        assert hospital.run(job, as_of=as_of).counts.scored > 20
        rows = hospital.rows(f"{BESIDE} AND c.score IS NOT NULL", name)
        scores = hospital.one(
            "SELECT count(*) FROM reporting.current_scores WHERE job = %s AND score IS NOT NULL", name
        )
        assert len(rows) == scores
        assert {lacks for _, lacks, *_ in rows} == {None}
        assert hospital.one("SELECT count(*) FROM reporting.fhir_risk_assessments WHERE job = %s", name) == scores
        return [(require_valid(resource), *rest) for resource, _, *rest in rows]

    return give


def test_a_value_with_its_interval_is_told_to_people_and_programs(resources: Callable[..., Any]) -> None:
    found = resources("cycle", 'subject = "Patient/{entity_id}"', as_of=datetime(2026, 6, 1, tzinfo=UTC))
    for resource, score, label, band, outputs in found:
        (prediction,) = resource["prediction"]
        assert "probabilityDecimal" not in prediction
        assert label is None
        assert prediction["outcome"] == {"text": "cycle_length_days"}
        assert prediction["qualitativeRisk"] == {"text": band}
        (extension,) = prediction["extension"]
        assert extension["url"] == VALUE
        values = {each["url"]: each["valueDecimal"] for each in extension["extension"]}
        assert values == {"value": score, **{name: outputs[name] for name in ("low", "high", "coverage")}}
        assert prediction["rationale"].startswith(f"cycle_length_days {score}, between {outputs['low']} and ")
        assert prediction["rationale"].endswith(f"with a probability of {100 * outputs['coverage']:g} %")


@pytest.mark.parametrize(
    ("name", "subject", "as_of", "of_class"),
    [
        ("symptoms", "Patient/{woman}", datetime(2013, 2, 1, tzinfo=UTC), "none"),
        ("transaction", "Group/{entity_id}", datetime(2022, 12, 31, tzinfo=UTC), "REFINANCE"),
    ],
)
def test_each_class_is_a_prediction_the_most_probable_first(
    resources: Callable[..., Any], name: str, subject: str, as_of: datetime, of_class: str
) -> None:
    coded = f'subject = "{subject}"\nclasses.{of_class} = {{ system = "http://example.org/classes", code = "c" }}'
    for resource, score, label, band, outputs in resources(name, coded, as_of=as_of):
        classes = {key: value for key, value in outputs.items() if key not in ("conformal", "unlike")}
        told = {each["outcome"]["text"]: each for each in resource["prediction"]}
        assert set(told) == set(classes)
        for each, probability in classes.items():
            assert told[each]["probabilityDecimal"] == pytest.approx(100 * probability, rel=1e-12)
            assert ("coding" in told[each]["outcome"]) == (each == of_class)
            assert told[each].get("qualitativeRisk") == ({"text": band} if each == of_class else None)
        first = resource["prediction"][0]
        assert first["probabilityDecimal"] == pytest.approx(100 * score, rel=1e-12)
        assert classes[label] == max(classes.values())
        assert math.fsum(each["probabilityDecimal"] for each in resource["prediction"]) == pytest.approx(100)


def test_a_value_that_means_money_is_written_out(resources: Callable[..., Any]) -> None:
    section = 'subject = "Group/{entity_id}"\noutcome = { text = "Price" }\nbands = { HIGH = "low" }'
    for resource, score, _, band, _ in resources("value", section, as_of=datetime(2016, 12, 31, tzinfo=UTC)):
        (prediction,) = resource["prediction"]
        assert prediction["outcome"] == {"text": "Price"}
        assert prediction["extension"][0]["extension"][0] == {"url": "value", "valueDecimal": score}
        assert ("coding" in prediction["qualitativeRisk"]) == (band == "HIGH")
