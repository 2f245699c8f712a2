"""Replays: past scores made again, from their stored vectors and from the source as known then, and compared to the last bit."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.cli import main as cli
from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.store.replays import Part, Replayed, ReplayVerdict
from scorer.errors import Stopping, UserError
from scorer.governance.replay import replay, replay_by_lot
from scorer.jobs.job import Job, job_of

HOUR = timedelta(hours=1)
COLUMNS = (
    "job, entity_id, output, run_id, batch_id, task, status, reason, score, risk_band, label, outputs, attributes, as_of, as_known_at, "
    "valid_until, input_hash, features, model_version, job_version"
)


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Three visits that are scored, one of too few observations, and one that is held."""
    hospital.admit(1, 2, 3)
    hospital.admit(4, observations=2)
    hospital.admit(5, age_years=300.0)
    hospital.run()
    return hospital


def replayed(ward: Any, *entity_ids: int) -> dict[tuple[str, Part], Replayed]:
    """What becomes of the newest ledger rows of entities, or of all."""
    rows = dict(ward.rows("SELECT entity_id, max(score_id) FROM scorer.scores GROUP BY entity_id"))
    chosen = {str(each): rows[str(each)] for each in entity_ids} if entity_ids else rows
    names = {score_id: entity_id for entity_id, score_id in chosen.items()}
    found = replay(list(names), database=Database(ward.url, ward.settings))
    return {(names[each.score_id], each.part): each for each in found}


def copy_of(ward: Any, entity_id: int, **columns: Any) -> int:
    """A ledger row like an entity's newest, but for `columns`, as its newest; its key."""
    written = COLUMNS.split(", ")
    chosen = [f"%({name})s" if name in columns else name for name in written]
    chosen[written.index("run_id")] = "r.run_id"
    ward.execute(
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version) "
        "SELECT job, job_version, trigger, as_of, as_known_at, scorer_version FROM scorer.runs ORDER BY run_id DESC LIMIT 1"
    )
    with ward._cursor() as cursor:
        cursor.execute(
            f"INSERT INTO scorer.scores ({COLUMNS}, shadow, run_began_at)"
            f" SELECT {', '.join(chosen)}, true, r.started_at FROM scorer.scores AS s "
            "CROSS JOIN (SELECT run_id, started_at FROM scorer.runs ORDER BY run_id DESC LIMIT 1) AS r "
            "WHERE s.entity_id = %(which)s ORDER BY s.score_id DESC LIMIT 1 RETURNING score_id",
            {**columns, "which": str(entity_id)},
        )
        return int(cursor.fetchone()[0])


def of_row(ward: Any, score_id: int) -> dict[Part, Replayed]:
    return {each.part: each for each in replay([score_id], database=Database(ward.url, ward.settings))}


# What is identical


def test_every_outcome_is_made_again_to_the_last_bit(ward: Any) -> None:
    found = replayed(ward)
    assert ward.statuses() == {"1": "SCORED", "2": "SCORED", "3": "SCORED", "4": "INSUFFICIENT", "5": "QUARANTINED"}
    assert sorted(found) == [
        *((key, part) for key in "123" for part in (Part.SOURCE, Part.VECTOR)),
        ("4", Part.SOURCE),
        ("5", Part.SOURCE),
    ]
    for each in found.values():
        assert (each.verdict, each.why, each.alarming) == (ReplayVerdict.IDENTICAL, None, False)
        assert each.difference == (0.0 if each.score_id in scored(ward) else None)
    kept = ward.rows(
        "SELECT part, verdict, inputs_changed, count(*) FROM reporting.replays GROUP BY 1, 2, 3 ORDER BY 1"
    )
    assert kept == [("source", "IDENTICAL", False, 5), ("vector", "IDENTICAL", None, 3)]


def scored(ward: Any) -> set[int]:
    return {key for (key,) in ward.rows("SELECT score_id FROM scorer.scores WHERE status = 'SCORED'")}


def test_nothing_but_the_replay_is_written(ward: Any) -> None:
    what = (
        "SELECT (SELECT count(*) FROM scorer.runs), (SELECT count(*) FROM scorer.scores), (SELECT count(*) FROM scorer.rejections), "
        "(SELECT md5(string_agg(c::text, '' ORDER BY entity_id)) FROM scorer.current_scores AS c)"
    )
    before = ward.rows(what)
    replayed(ward)
    assert ward.rows(what) == before


def test_what_was_charted_since_is_not_known_to_a_replay(ward: Any) -> None:
    ward.observe(1, hours_ago=1, observation_value=190.0, recorded_at=ward.noon + HOUR)
    found = replayed(ward, 1)
    assert {each.verdict for each in found.values()} == {ReplayVerdict.IDENTICAL}
    ward.run(as_known_at=ward.noon + 2 * HOUR)
    with_it = replayed(ward, 1)
    assert {each.verdict for each in with_it.values()} == {ReplayVerdict.IDENTICAL}
    assert {each.score_id for each in with_it.values()} != {each.score_id for each in found.values()}


def test_the_job_is_taken_as_it_stood(ward: Any, changed_job: Callable[..., Job]) -> None:
    changed_job(
        ("job.toml", "min_observations = 5", "min_observations = 50"),
        ("job.toml", 'statistics = ["hours_since"]', 'statistics = ["hours_since", "max"]'),
        ("observations.sql", "o.observation_value,", "o.observation_value * 2 AS observation_value,"),
    )
    ward.settings = replace(ward.settings, jobs_dir=ward.settings.home.parent / "site")
    assert {each.verdict for each in replayed(ward).values()} == {ReplayVerdict.IDENTICAL}


def test_a_rule_that_stops_a_run_does_not_stop_a_replay(ward: Any, changed_job: Callable[..., Job]) -> None:
    job = changed_job(("job.toml", "[actions]", '[actions]\nage_possible = "fail"'))
    ward.execute("DELETE FROM visits WHERE visit_id = 5")
    ward.run(job, as_of=ward.noon + HOUR)
    ward.execute("UPDATE visits SET age_years = 300 WHERE visit_id = 1")
    found = replayed(ward, 1)
    assert found["1", Part.SOURCE].verdict is ReplayVerdict.DIFFERS
    assert found["1", Part.SOURCE].inputs_changed


def test_an_archived_model_makes_its_scores_again(ward: Any) -> None:
    ward.execute(
        "SELECT set_config('scorer.why', 'a test', false); UPDATE scorer.model_versions SET status = 'archived' WHERE status = 'production'"
    )
    assert {(each.verdict, each.why) for each in replayed(ward).values()} == {(ReplayVerdict.IDENTICAL, None)}


# What was corrected in the source


def test_a_correction_in_the_source_is_reported_and_is_no_alarm(ward: Any) -> None:
    ward.execute(
        "UPDATE patient_observations SET observation_value = observation_value + 30 WHERE visit_id = 1 AND observation_type_code = 'HR'"
    )
    found = replayed(ward, 1)
    assert found["1", Part.VECTOR].verdict is ReplayVerdict.IDENTICAL
    source = found["1", Part.SOURCE]
    assert (source.verdict, source.inputs_changed, source.alarming) == (ReplayVerdict.DIFFERS, True, False)
    assert source.difference != 0
    assert source.why is not None
    assert source.why.startswith("The source's rows have changed since; they give another score")
    assert "HR" in source.why


def test_a_correction_of_what_does_not_count_changes_nothing(ward: Any) -> None:
    ward.observe(1, observation_type_code="SHOE_SIZE")
    ward.run(as_of=ward.noon + HOUR)
    ward.execute("UPDATE patient_observations SET observation_value = 45 WHERE observation_type_code = 'SHOE_SIZE'")
    source = replayed(ward, 1)["1", Part.SOURCE]
    assert (source.verdict, source.inputs_changed) == (ReplayVerdict.IDENTICAL, True)
    assert source.why == "The source's rows have changed since, in nothing that counts."


def test_rows_that_are_gone_cannot_be_replayed(ward: Any) -> None:
    ward.execute("DELETE FROM patient_observations WHERE visit_id = 1; DELETE FROM visits WHERE visit_id = 2")
    found = replayed(ward, 1, 2)
    for visit in ("1", "2"):
        assert found[visit, Part.VECTOR].verdict is ReplayVerdict.IDENTICAL
        source = found[visit, Part.SOURCE]
        assert (source.verdict, source.alarming) == (ReplayVerdict.NOT_REPLAYABLE, False)
        assert source.why == "The source holds no observation of it from that time any more."


# What must never be


def test_another_score_of_the_same_inputs_is_an_alarm(ward: Any) -> None:
    score = ward.scores()["1"]
    off = copy_of(ward, 1, score=float(np.nextafter(score, 1.0)))
    found = of_row(ward, off)
    for part in Part:
        assert (found[part].verdict, found[part].alarming) == (ReplayVerdict.DIFFERS, True)
        assert found[part].difference == pytest.approx(0, abs=1e-12)
        assert found[part].difference != 0
    assert found[Part.VECTOR].why == "The stored vector gives another score."
    assert found[Part.SOURCE].why == "The same rows of the source give another score."


def test_other_features_of_the_same_inputs_are_an_alarm(ward: Any) -> None:
    (features,) = ward.rows("SELECT features FROM scorer.scores WHERE entity_id = '1'")[0]
    values = np.frombuffer(features, dtype="<f8").copy()
    place = int(np.flatnonzero(~np.isnan(values))[0])
    values[place] = np.nextafter(values[place], np.inf)
    found = of_row(ward, copy_of(ward, 1, features=values.tobytes()))[Part.SOURCE]
    assert (found.verdict, found.alarming) == (ReplayVerdict.DIFFERS, True)
    assert found.why is not None
    assert "value of 1 features (" in found.why
    assert str(values[place]) not in found.why


def test_whatever_is_published_is_compared(ward: Any) -> None:
    for visit, columns, said in ((1, {"risk_band": "HIGH"}, "risk band"), (2, {"outputs": '{"a": 1}'}, "outputs")):
        found = of_row(ward, copy_of(ward, visit, **columns))
        assert found[Part.VECTOR].why == f"The stored vector gives another {said}."
        assert found[Part.SOURCE].alarming


# What is gone


def test_a_model_that_is_not_the_registered_one_is_not_unpickled(
    ward: Any, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "models" / ward.job.name / "2026.11.29"
    shutil.copytree(shipped_root() / "models" / ward.job.name / "2026.11.29", folder)
    (folder / "pipeline.joblib").write_bytes(b"cos\nsystem\n(S'exit'\ntR.")
    for each in replayed(ward, 1, 4).values():
        assert each.verdict is ReplayVerdict.NOT_REPLAYABLE
        assert each.why is not None
        assert "is not the one that was registered" in each.why


def test_a_job_that_the_database_does_not_keep_as_it_stood(ward: Any) -> None:
    ((definition,),) = ward.rows("SELECT definition FROM scorer.job_versions WHERE job_version = %s", ward.job.version)
    kept = {
        "0000000000000001": definition,
        "0000000000000002": {},
        "0000000000000003": {**definition, "job.toml": definition["job.toml"] + "\n[unheard_of]\n"},
    }
    for version, each in kept.items():
        ward.execute("INSERT INTO scorer.job_versions VALUES (%s, %s, %s)", ward.job.name, version, json.dumps(each))
    said = {
        "0000000000000001": "means something else to this program",
        "0000000000000002": "was kept without its statements or suites",
        "0000000000000003": 'unknown key "unheard_of"',
        "0000000000000004": "is not in the database",
    }
    for version, sentence in said.items():
        for found in of_row(ward, copy_of(ward, 1, job_version=version)).values():
            assert found.verdict is ReplayVerdict.NOT_REPLAYABLE
            assert found.why is not None
            assert sentence in found.why


def test_a_source_that_lacks_a_column_leaves_the_stored_vector(ward: Any) -> None:
    ward.execute("ALTER TABLE visits RENAME COLUMN hours_before_icu TO hours_before")
    found = replayed(ward, 1)
    assert found["1", Part.VECTOR].verdict is ReplayVerdict.IDENTICAL
    assert found["1", Part.SOURCE].verdict is ReplayVerdict.NOT_REPLAYABLE
    assert "hours_before_icu" in str(found["1", Part.SOURCE].why)


def test_a_kept_definition_makes_the_same_job(sepsis: Job) -> None:
    kept = json.loads(json.dumps(sepsis.definition))
    assert job_of(sepsis.name, sepsis.version, kept, model_folder=sepsis.model_folder) == sepsis


def test_a_key_that_is_not_there_is_one_sentence_and_nothing_kept(ward: Any) -> None:
    with pytest.raises(UserError, match="There is no score 9999 in the ledger"):
        replay([1, 9999], database=Database(ward.url, ward.settings))
    assert ward.one("SELECT count(*) FROM scorer.replays") == 0


# The nightly sample


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, dict[str, Any]]]:
    return [
        (record.levelno, vars(record)["fields"])
        for record in caplog.records
        if "made again" in record.getMessage() and "fields" in vars(record)
    ]


def night(ward: Any) -> None:
    replay_by_lot(ward.job, Database(ward.url, ward.settings), lambda: False)


def test_a_night_replays_a_sample_and_is_quiet(ward: Any, caplog: pytest.LogCaptureFixture) -> None:
    ward.settings = replace(ward.settings, replay_sample=4)
    ward.execute("UPDATE patient_observations SET observation_value = observation_value + 5")
    night(ward)
    ((level, fields),) = logged(caplog)
    assert level == logging.INFO
    assert fields["scores"] == 4
    assert fields["corrected"] >= 2
    assert ward.one("SELECT count(DISTINCT score_id) FROM scorer.replays") == 4


def test_a_night_reports_once_that_the_same_inputs_give_something_else(
    ward: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for entity_id in (1, 2):
        copy_of(ward, entity_id, risk_band="HIGH")
    night(ward)
    ((level, fields),) = logged(caplog)
    assert level == logging.WARNING
    assert (fields["scores"], fields["alarming"]) == (7, 2)
    assert ward.one("SELECT count(*) FROM reporting.replays WHERE alarming") == 4


def test_no_sample_is_no_night(ward: Any, caplog: pytest.LogCaptureFixture) -> None:
    ward.settings = replace(ward.settings, replay_sample=0)
    night(ward)
    ward.settings = replace(ward.settings, replay_sample=20)
    ward.execute("INSERT INTO scorer.job_versions VALUES ('empty', 'v', '{}')")
    replay_by_lot(replace(ward.job, name="empty"), Database(ward.url, ward.settings), lambda: False)
    assert logged(caplog) == []
    assert ward.one("SELECT count(*) FROM scorer.replays") == 0


def test_a_daemon_that_stops_keeps_nothing_of_the_night(ward: Any) -> None:
    with pytest.raises(Stopping):
        replay_by_lot(ward.job, Database(ward.url, ward.settings), lambda: True)
    assert ward.one("SELECT count(*) FROM scorer.replays") == 0


# The command


@pytest.fixture
def command(
    ward: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs `scorer replay`; its exit code, and what it said on stdout and stderr."""
    handlers = list(logging.getLogger().handlers)
    monkeypatch.setenv("SCORER_DATABASE_URL", ward.url)
    monkeypatch.setenv("SCORER_HOME", str(ward.settings.home))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["replay", *arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run
    logging.getLogger().handlers[:] = handlers


def test_the_command_replays_what_is_named(ward: Any, command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command("1", "2")
    assert (code, err) == (0, "")
    assert "2 scores: 0 differ though their inputs are the same" in out
    off = copy_of(ward, 1, score=0.123)
    code, out, err = command(str(off), "--json")
    assert code == 1
    assert err.count("\n") == 1
    said = json.loads(out)
    assert (said["scores"], said["alarming"]) == (1, 1)
    assert {each["verdict"] for each in said["replays"]} == {"DIFFERS"}


def test_the_command_draws_a_sample(ward: Any, command: Callable[..., tuple[int, str, str]]) -> None:
    assert json.loads(command("--sample", "3", "--json")[1])["scores"] == 3
    assert json.loads(command("--sample", "99", "--job", "sepsis", "--json")[1])["scores"] == 5
    since = (datetime.now(UTC) + HOUR).isoformat()
    for arguments in (["--sample", "3", "--since", since], ["--sample", "3", "--job", "unknown"]):
        code, out, err = command(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)


def test_the_command_refuses_in_one_sentence(command: Callable[..., tuple[int, str, str]]) -> None:
    for arguments in ([], ["1", "--sample", "2"], ["1", "--job", "sepsis"], ["0"]):
        code, out, err = command(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
