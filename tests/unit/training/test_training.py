"""Folds, targets, recipes, calibration, cross-validation, the search and the model version that comes of it, on made-up landmarks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job, Task, load_job
from scorer.jobs.training import ATTRIBUTES, Configuration, Recipe, SearchSpec, read_recipe
from scorer.registry.ensemble import logistic
from scorer.registry.model import LoadedModel
from scorer.scoring.features import group_columns
from scorer.training import trials
from scorer.training.calibration import best_threshold, platt
from scorer.training.cross_validation import fit_all
from scorer.training.folds import folds_of, require_sound
from scorer.training.held_out_figures import objective_of
from scorer.training.search import TRIALS, SearchOptions, search
from scorer.training.search_report import CONFIG, LOG, PICTURE, SUMMARY, write_findings
from scorer.training.targets import counted, gains, targets_of
from scorer.training.trainer import one_in, train
from scorer.types.arrays import NO_TIME, Attributes, Features

HOUR = 3_600_000_000
QUICK = Recipe(configuration=Configuration.LIGHTGBM_SMALL, parameters={"trees": 20, "min_child_samples": 5})


def made(job: Job, *, clients: int = 150, hours: int = 10, seed: int = 1, tells: float = 1.5) -> Landmarks:
    """Clients with an entity each and a landmark each hour; every fifth has the event, an hour after its last. The first feature tells."""
    random = np.random.default_rng(seed)
    client = np.repeat(np.arange(clients), hours)
    hour = np.tile(np.arange(1, hours + 1), clients)
    has_event = client % 5 == 0
    as_of = (hour + 24 * client) * HOUR
    event_at = np.where(has_event, (hours + 1 + 24 * client) * HOUR, NO_TIME)
    label = (has_event & (as_of + 6 * HOUR >= event_at)).astype(np.float64)
    names = feature_names(job.features)
    values = random.normal(size=(len(client), len(names)))
    values[random.random(values.shape) < 0.2] = np.nan
    values[:, 0] = random.normal(size=len(client)) + tells * label
    ids = np.array([f"{each:05}" for each in client], dtype=object)
    return Landmarks(
        entity_ids=ids,
        as_of=as_of,
        cohort=np.array([f"C{each}" for each in client], dtype=object),
        label=label,
        event_at=event_at,
        features=Features(names=names, values=values),
        scorable=hour > 1,
        attributes=Attributes(numbers={"age_years": client.astype(np.float64)}),
        read=hour * 3,
        used=hour * 3,
        attrition={"landmarks": len(client)},
        first=datetime(1970, 1, 1, tzinfo=UTC),
        last=datetime(1970, 6, 1, tzinfo=UTC),
        data_sha256="0" * 64,
    )


@pytest.fixture(scope="module")
def job() -> Job:
    """The shipped job, searched over two combinations."""
    return replace(load_job("sepsis"), search=SearchSpec({"vitals": ("vitals",), "few": (ATTRIBUTES,)}))


@pytest.fixture(scope="module")
def landmarks(job: Job) -> Landmarks:
    """Landmarks whose first feature tells the label."""
    return made(job)


# Folds


def test_a_client_is_in_one_fold_and_positives_are_spread() -> None:
    cohort = np.repeat(np.array([f"c{each}" for each in range(50)], dtype=object), 4)
    label = np.repeat((np.arange(50) % 5 == 0).astype(float), 4)
    fold = folds_of(cohort, label, folds=5)
    for client in np.unique(cohort.astype(str)):
        assert len(set(fold[cohort == client].tolist())) == 1
    assert [int(label[fold == each].sum()) for each in range(5)] == [8] * 5
    shuffled = np.random.default_rng(0).permutation(len(cohort))
    np.testing.assert_array_equal(folds_of(cohort[shuffled], label[shuffled], folds=5), fold[shuffled])


def test_bad_folds_are_refused_in_a_sentence() -> None:
    cohort = np.array(["a", "a", "b", "c"], dtype=object)
    label = np.array([1.0, 0.0, 1.0, 0.0])
    with pytest.raises(UserError, match=r"1 of 3 clients are in two folds.*give each client one"):
        require_sound(np.array([0, 1, 1, 0]), cohort, label)
    with pytest.raises(UserError, match=r"Fold 1 of 2 has no landmark with a positive.*fewer folds"):
        require_sound(np.array([1, 1, 1, 0]), cohort, label)
    with pytest.raises(UserError, match=r"no landmark with a positive outcome.*fewer folds"):
        folds_of(cohort, label, folds=3)
    with pytest.raises(UserError, match="No landmark has a positive outcome"):
        folds_of(cohort, np.zeros(4), folds=2)
    with pytest.raises(UserError, match="2 folds or more, not 1"):
        folds_of(cohort, label, folds=1)


# Targets


def test_targets_are_the_better_decision_by_how_much_it_is_better(job: Job) -> None:
    all_of = made(job, clients=5, hours=30)
    of_one = all_of.only((all_of.entity_ids == "00000") | (all_of.entity_ids == "00001"))
    targets = targets_of(of_one, job, Recipe())
    event = of_one.entity_ids == "00000"
    # The event is at hour 31: hour 25 is its optimum, hour 19 where an alarm begins to be worth something, hour 22 midway.
    worth = dict(zip(np.arange(1, 31), zip(targets.positive[event], targets.weight[event], strict=True), strict=True))
    assert worth[25] == (True, 1.0)
    assert worth[22] == (True, pytest.approx(0.5))
    assert worth[28] == (True, pytest.approx(2 / 3 + 2 / 3))
    assert worth[10] == (False, pytest.approx(0.05))
    assert worth[1][1] == 0.0, "what cannot be scored is not fitted"
    assert not targets.positive[~event].any()
    assert set(targets.weight[~event].round(9).tolist()) == {0.0, 0.05}
    without = replace(job, measures=replace(job.measures, utility=None))
    assert gains(of_one, without) is None
    with pytest.raises(UserError, match=r"no \[utility\]"):
        targets_of(of_one, without, Recipe())
    plain = targets_of(of_one, without, QUICK)
    np.testing.assert_array_equal(plain.positive, of_one.label == 1)


def test_thinning_keeps_every_event_and_the_weight_of_all_others(job: Job, landmarks: Landmarks) -> None:
    whole, thin = (targets_of(landmarks, job, replace(QUICK, thin=each)) for each in (1, 3))
    event = landmarks.event_at != NO_TIME
    np.testing.assert_array_equal(whole.weight[event], thin.weight[event])
    assert set(thin.weight[~event].tolist()) == {0.0, 3.0}
    assert thin.weight[~event].sum() == pytest.approx(whole.weight[~event].sum(), rel=0.05)


def test_unknown_outcomes_and_hours_long_after_the_event_are_left_out(job: Job, landmarks: Landmarks) -> None:
    unknown = replace(landmarks, label=np.where(np.arange(len(landmarks)) % 2, np.nan, landmarks.label))
    assert len(counted(unknown, job)) == len(landmarks) // 2
    late = replace(landmarks, event_at=np.where(landmarks.event_at == NO_TIME, NO_TIME, landmarks.as_of - 4 * HOUR))
    assert len(counted(late, job)) == int((landmarks.event_at == NO_TIME).sum())
    with pytest.raises(UserError, match="No landmark of job sepsis has a known outcome"):
        counted(replace(landmarks, label=np.full(len(landmarks), np.nan)), job)


# Recipes


def test_a_recipe_is_read_as_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / CONFIG
    path.write_text(json.dumps({"job": "sepsis", "recipe": QUICK.told(), "found": {"objective": 1.0}}))
    assert read_recipe(path, job="sepsis") == QUICK


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("recipe"), 'has no "recipe"'),
        (lambda content: content["recipe"].pop("members"), 'has no "members" in its recipe'),
        (lambda content: content["recipe"].update(membres=3), 'unknown key "membres"; did you mean "members"'),
        (lambda content: content.update(job="other"), "is of job other, not of sepsis"),
        (lambda content: content["recipe"].update(configuration="oracle"), "must be one of 'logistic regression'"),
        (lambda content: content["recipe"].update(parameters={"trees": "many"}), '"trees" must be a number'),
    ],
)
def test_a_configuration_that_is_not_one_is_refused_in_a_sentence(tmp_path: Path, change: Any, said: str) -> None:
    path = tmp_path / CONFIG
    content = {"job": "sepsis", "recipe": QUICK.told()}
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=said):
        read_recipe(path, job="sepsis")


@pytest.mark.parametrize(
    ("text", "said"), [("[1]", "not a JSON object"), ("{", "cannot be read"), (None, "cannot be read")]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / CONFIG
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_recipe(path, job="sepsis")


def test_a_parameter_that_a_configuration_does_not_have_is_refused(job: Job, landmarks: Landmarks) -> None:
    with pytest.raises(UserError, match='lightgbm small has no parameter "leaves"; it has num_leaves'):
        fit_all(landmarks, job, replace(QUICK, parameters={"leaves": 3}), folds=2, whole=False, workers=1)


def test_an_unknown_group_in_a_combination_is_refused(changed_toml: Any) -> None:
    with pytest.raises(UserError, match=r'no feature group "vitalz"; there are: vitals, .*attributes'):
        changed_toml('"attributes" = ["attributes"]', '"vitals" = ["vitalz"]')


@pytest.fixture
def changed_toml(tmp_path: Path) -> Any:
    """Loads the shipped job with a piece of job.toml changed."""
    import shutil

    from scorer.config import shipped_root

    def change(old: str, new: str) -> Job:
        for kind in ("sql", "expectations"):
            shutil.copytree(shipped_root() / kind / "sepsis", tmp_path / kind / "sepsis")
        path = tmp_path / "sql" / "sepsis" / "job.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return load_job("sepsis", jobs_dir=tmp_path)

    return change


def test_groups_cover_the_features_once(job: Job) -> None:
    spec = job.features
    names = np.array(feature_names(spec))
    parts = [group_columns(spec, [name]) for name in spec.group_names]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(names)))
    assert "age_years" in names[group_columns(spec, [ATTRIBUTES])]
    assert "HR_last_stay" in names[group_columns(spec, ["vitals"])]
    assert len(group_columns(spec, [])) == len(names)


# Calibration


def test_platt_finds_the_line_that_made_the_labels() -> None:
    random = np.random.default_rng(4)
    margin = random.normal(size=40_000)
    label = (random.random(len(margin)) < logistic(1.7 * margin - 2.0)).astype(float)
    slope, intercept = platt(margin, label)
    assert slope == pytest.approx(1.7, abs=0.08)
    assert intercept == pytest.approx(-2.0, abs=0.08)
    apart = platt(np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    assert np.isfinite(apart).all()


def test_the_threshold_is_where_alarms_are_worth_most() -> None:
    assert best_threshold(np.array([0.5, 0.5, 0.2]), np.array([2.0, -1.0, -1.0])) == pytest.approx(0.35)
    assert best_threshold(np.array([0.5, 0.2]), np.array([-1.0, -1.0])) == 0.5, "nobody is above it"


# Cross-validation


@pytest.mark.parametrize("configuration", list(Configuration))
def test_every_configuration_learns_what_there_is_to_learn(job: Job, configuration: Configuration) -> None:
    landmarks = made(job, clients=200, hours=8, tells=3.0)
    landmarks.features.values[:, 5] = np.nan  # a code that nobody has
    recipe = Recipe(configuration=configuration, groups=("vitals",))
    fitted = fit_all(landmarks, job, recipe, folds=2, whole=False, workers=1)
    scored = np.isfinite(fitted.score)
    np.testing.assert_array_equal(scored, landmarks.scorable)
    auroc, _ = objective_of(fitted.margin[scored], landmarks.label[scored])
    assert auroc > 0.8


def test_features_that_nobody_has_are_refused(job: Job) -> None:
    landmarks = made(job, clients=20)
    landmarks.features.values[:] = np.nan
    with pytest.raises(UserError, match="No landmark has any of the features of vitals"):
        fit_all(landmarks, job, replace(QUICK, groups=("vitals",)), folds=2, whole=False, workers=1)


def test_shuffled_labels_give_an_auroc_within_noise_of_a_half(job: Job) -> None:
    landmarks = made(job, clients=300, tells=4.0)
    clients = np.random.default_rng(5).permutation(300)
    # Outcomes go to other clients, whole: within a client, landmarks stay as alike as they are.
    place = np.concatenate([np.arange(each * 10, each * 10 + 10) for each in clients])
    moved = replace(
        landmarks,
        label=landmarks.label[place],
        event_at=np.where(
            landmarks.event_at[place] == NO_TIME,
            NO_TIME,
            landmarks.event_at[place] - landmarks.as_of[place] + landmarks.as_of,
        ),
    )
    told = landmarks.features.values.copy()
    told[:, 0] = (
        np.random.default_rng(6).normal(size=len(told)) + 4.0 * landmarks.label[np.argsort(place, kind="stable")]
    )
    aurocs = {}
    for name, each in (
        ("true", landmarks),
        ("shuffled", replace(moved, features=Features(landmarks.features.names, told))),
    ):
        known = counted(each, job)
        fitted = fit_all(known, job, QUICK, folds=5, whole=False, workers=1)
        scored = np.isfinite(fitted.score)
        # Of the last hours alone, where positives are: the hour itself tells much of the label.
        late = scored & (known.used > 15)
        aurocs[name] = objective_of(fitted.score[late], known.label[late])[0]
    assert aurocs["true"] > 0.9
    assert abs(aurocs["shuffled"] - 0.5) < 0.08


# A model version


def test_two_trainings_give_the_same_model_and_the_same_figures(job: Job, landmarks: Landmarks, tmp_path: Path) -> None:
    one, other = (
        train(job, landmarks, replace(QUICK, members=2), models=tmp_path / each, model_version="1", folds=3, workers=1)
        for each in ("one", "other")
    )
    assert one.sha256 == other.sha256
    without = [{key: value for key, value in each.manifest.items() if key != "created_at"} for each in (one, other)]
    assert without[0] == without[1]
    manifest = one.manifest
    assert {"auroc", "average_precision", "brier", "calibration_slope", "utility"} <= set(manifest["metrics"])
    assert (
        manifest["metrics"]["auroc"]["low"]
        < manifest["metrics"]["auroc"]["value"]
        < manifest["metrics"]["auroc"]["high"]
    )
    assert 0 < manifest["alarm_threshold"] < 1
    assert manifest["training"]["clients"] == len(manifest["training"]["clients_seen"]) == 150
    assert next(iter(manifest["importances"])) == landmarks.features.names[0]
    model = LoadedModel.load(one.folder, sha256=one.sha256, task=Task.BINARY, features=landmarks.features.names)
    golden = manifest["golden"]
    inputs = np.array([[np.nan if value is None else value for value in row] for row in golden["inputs"]])
    assert len(inputs) == len(golden["scores"]) == 20
    np.testing.assert_array_equal(model.score(Features(landmarks.features.names, inputs)).score, golden["scores"])
    assert golden["scores"][0] < golden["scores"][-1]
    assert json.loads((one.folder / "manifest.json").read_text()) == manifest


def test_what_cannot_be_trained_leaves_nothing_behind(job: Job, landmarks: Landmarks, tmp_path: Path) -> None:
    nobody = replace(landmarks, label=np.zeros(len(landmarks)))
    with pytest.raises(UserError, match="No landmark has a positive outcome"):
        train(job, nobody, QUICK, models=tmp_path, model_version="1", folds=2, workers=1)
    with pytest.raises(UserError, match="the task regression"):
        train(replace(job, task=Task.REGRESSION), landmarks, QUICK, models=tmp_path, folds=2, workers=1)
    unscored = replace(landmarks, scorable=landmarks.scorable & (landmarks.label == 0))
    with pytest.raises(UserError, match="all of one class"):
        train(job, unscored, QUICK, models=tmp_path, model_version="1", folds=2, workers=1)
    assert not list(tmp_path.rglob("*.json"))


def test_a_quick_look_takes_one_landmark_in_so_many(landmarks: Landmarks) -> None:
    some = one_in(landmarks, 4)
    assert len(some) == 3 * 150
    assert len(set(some.entity_ids)) == 150


# The search


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fits that take no time; the names of those that were made."""
    tried: list[str] = []

    class Constant:
        def margin(self, rows: Any) -> Any:
            return np.nan_to_num(rows[:, 0])

    def fit(recipe: Recipe, *_: Any) -> Any:
        tried.append(f"{recipe.configuration}, {', '.join(recipe.groups)}")
        if recipe.configuration is Configuration.EXTRA_TREES:
            raise ValueError("a value that nobody should read: 37.2")
        return Constant()

    monkeypatch.setattr(trials, "fit_fold", fit)
    return tried


def options(into: Path, **others: Any) -> SearchOptions:
    return SearchOptions(into=into, folds=2, landmark_step="1 h", workers=1, **others)


def test_a_trial_that_fails_is_recorded_and_the_rest_goes_on(
    job: Job, landmarks: Landmarks, quick: list[str], tmp_path: Path
) -> None:
    found = search(job, landmarks, options(tmp_path))
    assert found.is_whole
    assert [trial["trial"] for trial in found.trials] == list(range(1, 17))
    failed = [trial for trial in found.trials if trial["error"] is not None]
    assert [trial["configuration"] for trial in failed] == ["extra trees"] * 2
    assert all(trial["error"].startswith("ValueError at ") and "37.2" not in trial["error"] for trial in failed)
    assert all(len(trial["folds"]) == 2 for trial in found.ranked)
    written = write_findings(found, tmp_path)
    assert [path.name for path in written] == [CONFIG, LOG, SUMMARY, PICTURE]
    assert len(json.loads((tmp_path / LOG).read_text())["trials"]) == 16
    assert "2 failed" in (tmp_path / SUMMARY).read_text()
    assert "<svg" in (tmp_path / PICTURE).read_text()
    recipe = read_recipe(tmp_path / CONFIG, job="sepsis")
    assert recipe.configuration == found.ranked[0]["configuration"]
    picture = (tmp_path / PICTURE).read_bytes()
    write_findings(found, tmp_path)
    assert (tmp_path / PICTURE).read_bytes() == picture


def test_an_interrupted_search_goes_on_where_it_stopped(
    job: Job, landmarks: Landmarks, quick: list[str], tmp_path: Path
) -> None:
    def interrupt(done: int, planned: int, best: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(job, landmarks, options(tmp_path), progress=interrupt)
    path = tmp_path / TRIALS
    assert len(path.read_text().splitlines()) == 6
    path.write_text(path.read_text() + '{"trial": 6, "combin')  # the machine went down in the middle of a line
    before = len(quick)
    found = search(job, landmarks, options(tmp_path))
    assert found.is_whole
    assert len(quick) - before < 2 * 12
    assert len(path.read_text().splitlines()) == 17
    before = len(quick)
    assert search(job, landmarks, options(tmp_path)) == found
    assert len(quick) == before
    other = replace(landmarks, data_sha256="1" * 64)
    with pytest.raises(UserError, match=r"its data sha256 differs.*--again"):
        search(job, other, options(tmp_path))
    assert search(job, other, options(tmp_path, again=True)).is_whole


def test_a_search_whose_time_is_up_says_what_it_has(
    job: Job, landmarks: Landmarks, quick: list[str], tmp_path: Path
) -> None:
    found = search(job, landmarks, options(tmp_path, until=0.0))
    assert not found.is_whole
    assert not found.trials
    assert not quick
    with pytest.raises(UserError, match="No trial of the search succeeded"):
        write_findings(found, tmp_path)
