"""Training reads and builds what scoring reads and builds, to the last bit, and sees nothing of what was not known yet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.config import shipped_root
from scorer.database.connection import Target
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks, read_landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Configuration, Recipe
from scorer.registry.model import LoadedModel
from scorer.runs.remote import remote_task_of
from scorer.scoring.features import build
from scorer.scoring.validation.suites import Suites
from scorer.training.cross_validation import fit_all
from scorer.training.held_out_figures import objective_of
from scorer.training.remote_trials import RemoteSearch, try_remotely
from scorer.training.search import SearchOptions, search
from scorer.training.targets import counted
from scorer.training.trainer import train
from scorer.types.arrays import NO_TIME
from scorer.types.values import WorkItem

HOURLY = {"first_landmark": "1 hour", "landmark_step": "1 hour"}


@pytest.fixture
def source(hospital: Any) -> Iterator[Source]:
    """The hospital's tables."""
    opened = Source(Target.of(hospital.url, hospital.settings, role=hospital.settings.worker_role))
    yield opened
    opened.close()


@pytest.fixture
def dirty(hospital: Any) -> Any:
    """Three visits that have ended, with rows that came late, rows that nobody can date, and rows that no suite takes."""
    end = hospital.noon
    hospital.admit(1, 2, 3, 4, discharged_at=end)
    hospital.observe(
        1, hours_ago=8, observation_type_code="LACTATE", observation_value=4.0, recorded_at=end - timedelta(hours=2)
    )
    hospital.observe(1, hours_ago=8, observation_value=91.0, recorded_at=end - timedelta(hours=2))  # a tie, known later
    hospital.observe(1, hours_ago=8, observation_value=91.0, recorded_at=end - timedelta(hours=1))  # and its repetition
    hospital.observe(1, hours_ago=-5, recorded_at=end - timedelta(hours=6))  # dated in the future
    hospital.observe(2, observation_date=None, recorded_at=end - timedelta(hours=5))
    hospital.observe(2, hours_ago=5, recorded_at=None)
    hospital.observe(2, observation_date=None, recorded_at=None)  # known from nobody knows when
    hospital.observe(2, hours_ago=4, observation_value=float("nan"))
    hospital.observe(2, hours_ago=4, observation_value=None)
    hospital.observe(2, hours_ago=4, observation_type_code="ZZZ")
    hospital.observe(2, hours_ago=4, observation_type_code=None)
    hospital.observe(2, hours_ago=3, reference_range_min=200.0)
    hospital.observe(2, hours_ago=3, observation_value=9000.0)
    hospital.observe(
        3, hours_ago=3, client="somebody else", recorded_at=end - timedelta(hours=2)
    )  # holds the visit from then on
    hospital.observe(4, hours_ago=20)
    hospital.observe(4, hours_ago=2, recorded_at="infinity")
    hospital.observe(4, hours_ago=2, recorded_at="-infinity")
    for visit_id, septic, onset in ((1, 1, end + timedelta(hours=1)), (2, 0, None), (3, 1, None)):
        hospital.execute("INSERT INTO public.outcomes VALUES (%s, %s, %s)", visit_id, septic, onset)
    return hospital


def each_by_itself(job: Job, source: Source, landmarks: Landmarks) -> tuple[Any, Any]:
    """Features and whether it is scored, of each landmark read and judged alone, as a batch of one."""
    suites = Suites(job)
    values, scorable = [], []
    for entity_id, as_of in zip(landmarks.entity_ids, landmarks.as_of.tolist(), strict=True):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=as_of)
        items = (WorkItem(entity_id=entity_id, as_of=moment),)
        observations, attributes = source.observations(job, items), source.attributes(job, items)
        seen = suites.validate_observations(observations, attributes, as_of=np.array([as_of]))
        usable = observations.only(seen.usable)
        matrix = build(usable, attributes, as_of=np.array([as_of]), spec=job.features)
        counts = (np.array([len(observations)]), np.array([len(usable)]))
        fit = suites.validate_features([entity_id], matrix, attributes, read=counts[0], used=counts[1])
        good = not seen.held and not fit.held and len(usable) >= job.min_observations
        values.append(matrix.values[0] if good else np.full(matrix.values.shape[1], np.nan))
        scorable.append(good)
    return np.array(values), np.array(scorable)


def test_a_visit_read_once_gives_the_bits_of_each_landmark_read_alone(
    dirty: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    landmarks = read_landmarks(dirty.job, source, parameters=HOURLY)
    assert len(landmarks) == 40
    values, scorable = each_by_itself(dirty.job, source, landmarks)
    np.testing.assert_array_equal(landmarks.scorable, scorable)
    np.testing.assert_array_equal(landmarks.features.values.view(np.int64), values.view(np.int64))
    of = {each: landmarks.entity_ids == each for each in ("1", "2", "3", "4")}
    assert landmarks.scorable[of["3"]].tolist() == [False] * 4 + [True] * 3 + [False] * 3
    lactate = landmarks.features.values[of["1"], landmarks.features.names.index("LACTATE_last_stay")]
    assert np.isnan(lactate[:7]).all(), "a value was seen before it was charted"
    assert (lactate[7:] == 4.0).all()
    # In portions of any size, and in parts of any size, the same.
    monkeypatch.setattr("scorer.evaluation.landmarks._ENTITIES_READ_TOGETHER", 1)
    monkeypatch.setattr("scorer.evaluation.landmarks._ROWS_BUILT_TOGETHER", 20)
    again = read_landmarks(dirty.job, source, parameters=HOURLY)
    np.testing.assert_array_equal(again.features.values, landmarks.features.values)
    assert again.data_sha256 == landmarks.data_sha256
    assert again.attrition == landmarks.attrition


def test_outcomes_are_known_unknown_or_none(dirty: Any, source: Source) -> None:
    landmarks = read_landmarks(dirty.job, source, parameters=HOURLY)
    of = {each: landmarks.entity_ids == each for each in ("1", "2", "3", "4")}
    assert landmarks.label[of["1"]].tolist() == [0.0] * 4 + [1.0] * 6
    assert landmarks.label[of["2"]].tolist() == [0.0] * 10
    assert np.isnan(landmarks.label[of["3"]]).all(), "sick, and nobody knows since when"
    assert np.isnan(landmarks.label[of["4"]]).all(), "nobody knows"
    assert (landmarks.event_at[~of["1"]] == NO_TIME).all()
    assert landmarks.attrition["landmarks"] == 40
    assert not landmarks.trainable[of["4"]].any()


def test_a_statement_that_does_not_tell_since_when_is_read_at_each_landmark(
    dirty: Any, source: Source, changed_job: Callable[..., Job]
) -> None:
    silent = changed_job(("observations.sql", "AS known_from", "AS recorded"))
    expected = read_landmarks(dirty.job, source, parameters=HOURLY)
    # Under another name the column is one of the job's own, of a type that no frame takes: it is left out.
    text = silent.statements["observations"].replace(
        ",\n    COALESCE(o.recorded_at, o.observation_date) AS recorded", ""
    )
    silent = replace(silent, statements={**silent.statements, "observations": text})
    found = read_landmarks(silent, source, parameters=HOURLY)
    np.testing.assert_array_equal(found.features.values, expected.features.values)
    np.testing.assert_array_equal(found.scorable, expected.scorable)


def test_since_when_a_row_is_known_is_no_input(dirty: Any, source: Source) -> None:
    items = (WorkItem(entity_id="1", as_of=dirty.noon),)
    observations = source.observations(dirty.job, items, known_from=True)
    assert "known_from" not in observations.extras
    assert observations.known_from is not None
    assert len(observations.known_from) == len(observations)


def test_bad_parameters_and_empty_tables_are_refused(hospital: Any, source: Source) -> None:
    with pytest.raises(UserError, match='no parameter "landmark_steps"; it has'):
        read_landmarks(hospital.job, source, parameters={"landmark_steps": "1 hour"})
    with pytest.raises(UserError, match="gave no row: there is nothing to train on"):
        read_landmarks(hospital.job, source)


@pytest.fixture
def cohort(hospital: Any) -> Any:
    """Forty visits, ten with an onset two hours before their end, when a TROPONIN_I is charted for them, dated hours before."""
    end = hospital.noon
    for visit_id in range(1, 41):
        septic = visit_id % 4 == 0
        onset = end - timedelta(hours=2)
        hospital.admit(visit_id, discharged_at=end)
        hospital.execute(
            "INSERT INTO public.outcomes VALUES (%s, %s, %s)", visit_id, int(septic), onset if septic else None
        )
        hospital.observe(
            visit_id,
            hours_ago=9.5,
            observation_type_code="TROPONIN_I",
            observation_value=9.0 if septic else 0.01,
            reference_range_min=None,
            reference_range_max=0.04,
            recorded_at=onset + timedelta(minutes=1),
        )
    return hospital


def test_what_is_charted_after_the_onset_is_no_help(cohort: Any, source: Source) -> None:
    recipe = Recipe(
        Configuration.LIGHTGBM_SMALL, parameters={"min_child_samples": 3, "trees": 30, "feature_fraction": 1.0}
    )
    aurocs = []
    for recorded in ("the truth", "leaked"):
        if recorded == "leaked":
            cohort.execute("UPDATE public.patient_observations SET recorded_at = observation_date")
        landmarks = counted(read_landmarks(cohort.job, source, parameters=HOURLY), cohort.job)
        fitted = fit_all(landmarks, cohort.job, recipe, folds=2, whole=False, workers=1)
        hour = np.round((landmarks.as_of - landmarks.as_of.min()) / 3_600_000_000) + 1
        # Of one hour before the onset, so that the hour itself tells nothing.
        before = (hour == 7) & np.isfinite(fitted.score)
        assert before.sum() == 40
        aurocs.append(objective_of(fitted.margin[before], landmarks.label[before])[0])
    assert aurocs[1] > 0.95, "the planted value tells nothing even where it leaks: the test proves nothing"
    assert aurocs[0] < 0.8


def test_a_trained_model_scores_a_run_to_the_bits_of_its_training(cohort: Any, source: Source, tmp_path: Path) -> None:
    landmarks = read_landmarks(cohort.job, source, parameters=HOURLY)
    recipe = Recipe(parameters={"min_child_samples": 3, "trees": 30}, members=2)
    trained = train(
        cohort.job,
        landmarks,
        recipe,
        models=cohort.settings.home_dir / "models",
        model_version="t1",
        folds=2,
        workers=1,
    )
    model = LoadedModel.load(
        trained.folder, sha256=trained.sha256, task=cohort.job.task, features=landmarks.features.names
    )
    cohort.put_into_production(cohort.job, trained.folder)
    at = cohort.noon - timedelta(hours=3)
    cohort.run(as_of=at)
    then = landmarks.only(landmarks.as_of == int(at.timestamp()) * 1_000_000)
    assert len(then) == 40
    expected = dict(zip(then.entity_ids.tolist(), model.score(then.features).score.tolist(), strict=True))
    scores = dict(cohort.rows("SELECT entity_id, score FROM scorer.current_scores WHERE score IS NOT NULL"))
    assert scores == expected


def commanded(cohort: Any, jobs_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command of scorer, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from scorer.cli.main import main; main()", *arguments],
        env={
            **os.environ,
            "SCORER_DATABASE_URL": cohort.url,
            "SCORER_HOME": str(cohort.settings.home),
            "SCORER_JOBS_DIR": str(jobs_dir),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_search_that_is_killed_goes_on_and_is_kept(
    cohort: Any, changed_job: Callable[..., Job], tmp_path: Path
) -> None:
    text = (shipped_root() / "sql" / "sepsis" / "job.toml").read_text()
    combinations = text[text.index("[search.combinations]") :].split("\n\n", 1)[0]
    changed_job(("job.toml", combinations, '[search.combinations]\n"vitals" = ["vitals"]'))
    arguments = ("optimize", "sepsis", "--landmark-step", "1 h", "--folds", "2", "--workers", "2", "--json")
    trials = cohort.settings.home / "searches" / "sepsis" / "trials.jsonl"
    with commanded(cohort, tmp_path / "site", *arguments) as killed:
        while not (trials.exists() and len(trials.read_text().splitlines()) > 2):
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.02)
        os.killpg(killed.pid, signal.SIGKILL)
    done = len(trials.read_text().splitlines()) - 1
    assert 2 <= done < 8
    assert cohort.one("SELECT count(*) FROM reporting.trials") == 0
    first = trials.read_text().splitlines()[: done + 1]
    with commanded(cohort, tmp_path / "site", *arguments) as again:
        out, err = again.communicate(timeout=120)
        assert again.returncode == 0, err
    told = json.loads(out)
    assert (told["planned"], told["trials"], told["failed"]) == (8, 8, 0)
    assert trials.read_text().splitlines()[: len(first) - 1] == first[:-1], "what was tried was tried again"
    assert cohort.rows("SELECT planned, trials, failed FROM reporting.experiments") == [(8, 8, 0)]
    ranks = cohort.rows("SELECT rank, configuration FROM reporting.trials ORDER BY rank")
    assert [rank for rank, _ in ranks] == list(range(1, 9))
    assert ranks[0][1] == told["best"]["configuration"]
    config = Path(told["folder"]) / "best_model_config.json"
    with commanded(
        cohort, tmp_path / "site", *("train", "sepsis", "--full", "--config", str(config), "--folds", "2", "--version", "b1", "--json",
                                      "--report", str(tmp_path / "report.html"))
    ) as trained:  # fmt: skip
        out, err = trained.communicate(timeout=120)
        assert trained.returncode == 0, err
    auroc = json.loads(out)["metrics"]["auroc"]["value"]
    assert auroc > 0.5
    page = (tmp_path / "report.html").read_text()
    assert "a model of the same recipe that had not seen that client" in page
    assert f"{auroc:.3f}" in page, "the page's figures are those out of the folds"
    assert cohort.rows("SELECT model_version, status FROM reporting.models WHERE model_version = 'b1'") == [
        ("b1", "candidate")
    ]


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why a cluster did not try all."""
    return [record.fields["error"] for record in caplog.records if record.levelname == "WARNING"]  # type: ignore[attr-defined]


def test_a_search_on_a_cluster_whose_worker_is_killed_tries_all_once(
    cohort: Any, changed_job: Callable[..., Job], cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (shipped_root() / "sql" / "sepsis" / "job.toml").read_text()
    combinations = text[text.index("[search.combinations]") :].split("\n\n", 1)[0]
    job = changed_job(("job.toml", combinations, '[search.combinations]\n"vitals" = ["vitals"]'))
    settings = {"database_url": cohort.url, "home": str(cohort.settings.home), "jobs_dir": str(tmp_path / "site")}
    cluster.stand(**settings)
    killed: list[int] = []

    def kill_one(done: int, planned: int, _: str) -> None:
        if not killed:
            killed.append(done)
            cluster.workers[0].kill()

    here = replace(cohort.settings, backend="dask", scheduler=cluster.address)
    target = Target.of(cohort.url, here, role=here.worker_role)
    with closing(Source(target)) as source, closing(Session(target)) as store:
        landmarks = read_landmarks(job, source, parameters={"first_landmark": "1 h", "landmark_step": "1 h"})
        told = RemoteSearch(remote_task_of(job, store), "1 h", 2)
    common: dict[str, Any] = {"folds": 2, "landmark_step": "1 h", "workers": 1}
    found = search(
        job,
        landmarks,
        SearchOptions(into=tmp_path / "away", remote=partial(try_remotely, here, told), **common),
        progress=kill_one,
    )
    assert killed
    assert [trial["trial"] for trial in found.trials] == list(range(1, 9))
    assert not warned(caplog), "all was tried by the cluster"
    alone = search(job, landmarks, SearchOptions(into=tmp_path / "here", threads=True, **common))
    of = ("trial", "configuration", "auroc", "average_precision", "objective", "error")
    assert [[each[key] for key in of] for each in found.trials] == [[each[key] for key in of] for each in alone.trials]

    # Whoever has other rows than the search is of does not try; that is left to whoever asked.
    caplog.clear()
    assert not list(try_remotely(here, told, [1, 2], "other data", None))
    (why,) = warned(caplog)
    assert "the source tables have changed since the search was begun" in why
