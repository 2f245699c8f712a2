"""The suites: which rows break each rule of the shipped suites, as written down by hand, and what follows from it."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from scorer.errors import RunStopped
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.scoring.validation.frames import Pool, observation_frame, pool_of
from scorer.scoring.validation.suites import Suites, _among_usable
from scorer.types.arrays import NO_TIME, Attributes, Features, Observations
from scorer.types.values import Published, WorkItem

HOUR = 3_600_000_000
NOON = int(datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
CODES = ("FIO2", "HR", "WHAT")
NAN = math.nan
RANK = 7
BESIDE_OTHERS = ("not_repeated", "superseded", "ambiguous")

# hours ago, code, value, value is null, low, high, the visit's own client, and its rank if it has one; the rules that the row breaks
ROWS: list[tuple[tuple[Any, ...], set[str]]] = [
    ((3.0, "HR", 80.0, False, 60.0, 100.0, True), set()),
    ((0.0, "HR", 80.0, False, NAN, NAN, True), set()),
    ((10.0, "HR", 350.0, False, 60.0, NAN, True), set()),
    ((9.0, "HR", 0.0, False, NAN, 100.0, True), set()),
    ((8.0, "HR", 80.0, False, 70.0, 70.0, True), set()),
    ((None, "HR", 81.0, False, 60.0, 100.0, True), {"date_present"}),
    ((-0.001, "HR", 82.0, False, 60.0, 100.0, True), {"not_in_future"}),
    ((10.001, "HR", 82.0, False, 60.0, 100.0, True), {"not_before_admission"}),
    ((1.0, "WHAT", 1e300, False, NAN, NAN, True), {"code_known"}),
    ((1.0, None, 80.0, False, NAN, NAN, True), {"code_known"}),
    ((2.0, "HR", NAN, True, 60.0, 100.0, True), {"value_present"}),
    ((2.5, "HR", NAN, False, 60.0, 100.0, True), {"value_present"}),
    ((2.6, "HR", math.inf, False, 60.0, 100.0, True), {"value_finite", "value_not_too_high"}),
    ((2.7, "HR", -math.inf, False, 60.0, 100.0, True), {"value_finite", "value_not_too_low"}),
    ((2.8, "HR", 350.1, False, 60.0, 100.0, True), {"value_not_too_high"}),
    ((2.9, "HR", -0.1, False, 60.0, 100.0, True), {"value_not_too_low"}),
    ((4.0, "FIO2", 40.0, False, NAN, NAN, True), {"value_not_too_high"}),
    ((4.1, "HR", 80.0, False, 100.0, 60.0, True), {"range_in_order"}),
    ((4.2, "HR", 80.0, False, math.inf, -math.inf, True), {"range_in_order"}),
    ((5.0, "HR", 80.0, False, 60.0, 100.0, True), {"ambiguous"}),
    ((5.0, "HR", 80.0, False, 60.0, 100.0, True), {"not_repeated"}),
    ((5.0, "HR", 80.0, False, 60.0, 100.0, True), {"not_repeated"}),
    ((5.0, "HR", 80.5, False, 60.0, 100.0, True), set()),
    ((5.1, "FIO2", 0.4, False, NAN, 50.0, True), {"range_fits_unit"}),
    ((5.2, "HR", 81.0, False, 60.0, 100.0, True, 1), set()),
    ((5.2, "HR", 82.0, False, 60.0, 100.0, True, 0), {"superseded"}),
    ((5.2, "HR", 500.0, False, 60.0, 100.0, True, 2), {"value_not_too_high"}),
    ((6.0, "HR", 80.0, False, 60.0, 100.0, False), {"one_client"}),
    ((None, None, NAN, True, NAN, NAN, True), {"date_present", "code_known", "value_present"}),
]


def observations(rows: list[tuple[Any, ...]], *, entities: int = 1) -> Observations:
    """The rows as they stand, all of entity 0."""
    return Observations(
        keys=tuple(
            WorkItem(entity_id=f"e{number}", as_of=datetime(2025, 6, 1, 12, tzinfo=UTC)) for number in range(entities)
        ),
        position=np.zeros(len(rows), np.int64),
        observation_id=np.arange(len(rows)) + 100,
        time=np.array([NO_TIME if row[0] is None else NOON - round(row[0] * HOUR) for row in rows], np.int64),
        code=np.array([-1 if row[1] is None else CODES.index(row[1]) for row in rows], np.int64),
        codes=CODES,
        value=np.array([row[2] for row in rows], np.float64),
        value_is_null=np.array([row[3] for row in rows], bool),
        low=np.array([row[4] for row in rows], np.float64),
        high=np.array([row[5] for row in rows], np.float64),
        extras={"same_client": np.array([NAN if row[6] else 0.0 for row in rows], np.float16)},
        rank=np.array([row[7] if len(row) > RANK else 0 for row in rows], np.int64),
    )


def admitted(*hours_ago: float) -> Attributes:
    return Attributes(times={"admitted_at": np.array([NOON - round(each * HOUR) for each in hours_ago], np.int64)})


def as_of(entities: int = 1) -> Any:
    return np.full(entities, NOON)


@pytest.fixture(scope="module")
def suites(sepsis: Job) -> Suites:
    return Suites(sepsis)


def broken(suites: Suites, rows: list[tuple[Any, ...]]) -> dict[str, list[int]]:
    """By rule, the numbers of the rows that broke it."""
    suite = suites._observations
    frame = observation_frame(suites._job, observations(rows), admitted(10), as_of=as_of())
    rows_ = observations(rows)
    found = suite.validate(frame, then=lambda before: _among_usable(frame, rows_, before))
    return {finding.rule.name: sorted(finding.broken.tolist()) for finding in found}


def test_each_rule_finds_the_rows_that_break_it_and_no_other(suites: Suites) -> None:
    should: dict[str, list[int]] = {rule.name: [] for rule in suites._observations.rules}
    for number, (_, rules) in enumerate(ROWS):
        for rule in rules:
            should[rule].append(number)
    assert broken(suites, [row for row, _ in ROWS]) == should
    assert all(should.values())  # no rule of the suite is left without a row that breaks it


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row_alone_breaks_the_rules_that_it_breaks_among_others(number: int, suites: Suites) -> None:
    row, rules = ROWS[number]
    found = broken(suites, [row])
    assert {rule for rule, rows in found.items() if rows} == rules - {*BESIDE_OTHERS}


def test_an_empty_frame_breaks_nothing(suites: Suites) -> None:
    result = suites.validate_observations(observations([], entities=0), admitted(), as_of=as_of(0))
    assert result.usable.shape == (0,)
    assert (result.rejections, dict(result.held), dict(result.unknown_codes)) == ((), {}, {})
    assert [(each.judged, each.unexpected, each.success) for each in result.results] == [(0, 0, True)] * 14


def test_columns_with_nothing_in_them_are_refused_row_by_row(suites: Suites) -> None:
    result = suites.validate_observations(
        observations([(None, None, NAN, True, NAN, NAN, True)] * 7),
        Attributes(times={"admitted_at": np.array([NO_TIME])}),
        as_of=as_of(),
    )
    assert not result.usable.any()
    assert {each.rule: each.unexpected for each in result.results if each.unexpected} == {
        "date_present": 7,
        "code_known": 7,
        "value_present": 7,
    }
    assert result.unknown_codes == {"(none)": 7}


def test_rejections_say_which_observation_what_was_seen_and_what_was_expected(suites: Suites) -> None:
    result = suites.validate_observations(observations([row for row, _ in ROWS]), admitted(10), as_of=as_of())
    seen = {(each.observation_id, each.rule): (each.observed, each.column_name) for each in result.rejections}
    value = "observation_type_code, observation_value"
    assert seen["110", "value_present"] == ("HR null", value)
    assert seen["111", "value_present"] == ("HR nan", value)
    assert seen["112", "value_finite"] == ("HR inf", value)
    assert seen["116", "value_not_too_high"] == ("FIO2 40.0", value)
    assert seen["117", "range_in_order"][0] == "HR 100.0 60.0"
    assert seen["106", "not_in_future"][0] == "HR 2025-06-01T12:00:03.600000Z"
    assert seen["WHAT", "code_known"][0] == "WHAT (1 observations)"
    assert seen["(none)", "code_known"][0] == "(none) (2 observations)"
    assert dict(result.held) == {0: "one_client"}
    dropping = [bool(rules - {"one_client"}) for _, rules in ROWS]
    assert result.usable.tolist() == [not drop for drop in dropping]
    assert all(each.expected and each.entity_id == "e0" for each in result.rejections)


def test_a_limit_counts_where_only_one_is_known_and_a_missing_value_breaks_its_own_rule(suites: Suites) -> None:
    """ignore_row_if: a pair with a missing side is no breach, whichever side it is."""
    rows = [
        (1.0 + n, "HR", NAN, n % 2 == 0, low, high, True)
        for n, (low, high) in enumerate([(NAN, 5.0), (5.0, NAN), (NAN, NAN)])
    ]
    found = broken(suites, rows)
    assert {rule: numbers for rule, numbers in found.items() if numbers} == {"value_present": [0, 1, 2]}


def entities(
    suites: Suites,
    *,
    read: list[int],
    used: list[int],
    hours: list[float],
    words: dict[str, list[str | None]] | None = None,
    **numbers: list[float],
) -> Any:
    """The result for entities of which no more is known than this."""
    names = feature_names(suites._job.features)
    values = np.full((len(read), len(names)), NAN)
    values[:, names.index("hours_since_admitted_at")] = hours
    attributes = Attributes(
        numbers={name: np.array(numbers.get(name, [NAN] * len(read))) for name in ("age_years", "hours_before_icu")},
        texts={name: np.array((words or {}).get(name, [None] * len(read)), dtype=object) for name in ("sex", "unit")},
    )
    return suites.validate_features(
        [f"e{number}" for number in range(len(read))],
        Features(names=names, values=values),
        attributes,
        read=np.array(read, np.int64),
        used=np.array(used, np.int64),
    )


def test_each_rule_on_entities_holds_those_that_break_it(suites: Suites) -> None:
    result = entities(
        suites,
        read=[10, 11, 0, 10, 10, 10, 10, 10, 10, 10, 10],
        used=[5, 5, 0, 10, 10, 10, 10, 10, 10, 10, 10],
        hours=[1.0, 1.0, 0.0, NAN, -0.1, 1.0, 1.0, 1.0, 1.0, 43_800.0, 43_800.1],
        age_years=[0.0, 120.0, NAN, 50.0, 50.0, -0.1, 120.1, math.inf, -math.inf, 50.0, 50.0],
        hours_before_icu=[-1.0, 0.0, NAN, 100_000.0, 1.0, -1.1, math.inf, 1.0, 1.0, 1.0, 1.0],
        words={"sex": ["F", "M", None, "", "m", *"FFFFFF"], "unit": ["MICU", "SICU", "CCU", "", *[None] * 7]},
    )
    assert dict(result.held) == {
        1: "mostly_usable",
        3: "admission_known",
        4: "not_ended_before_admission",
        5: "age_possible",
        6: "age_possible",
        7: "age_possible",
        8: "age_possible",
        10: "admission_possible",
    }
    assert {
        (each.entity_id, each.rule, each.observed) for each in result.rejections if each.rule.endswith("t_known")
    } == {("e2", "unit_known", "CCU"), ("e3", "unit_known", "(empty)")}
    assert result.unknown_words == {"sex=(empty)": 1, "sex=m": 1, "unit=CCU": 1, "unit=(empty)": 1}
    assert {
        (each.entity_id, each.observed) for each in result.rejections if each.rule == "hours_before_icu_possible"
    } == {
        ("e5", "-1.1"),
        ("e6", "inf"),
    }
    assert {each.rule: each.judged for each in result.results} == dict.fromkeys(
        (
            "admission_known",
            "not_ended_before_admission",
            "admission_possible",
            "age_possible",
            "mostly_usable",
            "hours_before_icu_possible",
            "sex_known",
            "unit_known",
        ),
        11,
    )


def test_no_entity_breaks_nothing(suites: Suites) -> None:
    result = entities(suites, read=[], used=[], hours=[])
    assert dict(result.held) == {}
    assert all(each.success and each.judged == 0 for each in result.results)
    empty = suites.validate_scores([], score=np.empty(0), training_quantile=np.empty(0))
    assert all(each.success and each.judged == 0 for each in empty.results)


SCORES: dict[str, tuple[Any, Any, str | None]] = {
    "as they should be": (np.linspace(0, 1, 100), np.linspace(0, 1, 100), None),
    "one score, one NaN": (np.array([NAN]), np.array([NAN]), None),
    "nineteen of one kind": (np.full(19, 0.5), np.full(19, 1.0), None),
    "ninety-nine shifted": (np.linspace(0.9, 1, 99), np.full(99, 1.0), None),
    "half are missing": (np.array([0.1, 0.2, NAN, NAN] * 5), np.full(20, 0.5), None),
    "most are missing": (np.array([0.1, 0.2, NAN, NAN, NAN] * 4), np.full(20, 0.5), "score_given"),
    "one below 0": (np.array([0.1, -1e-9]), np.full(2, 0.5), "score_is_probability"),
    "one above 1": (np.array([1 + 1e-9]), np.full(1, 0.5), "score_is_probability"),
    "twenty of one kind": (np.full(20, 0.5), np.full(20, 0.5), "scores_differ"),
    "a hundred shifted up": (np.linspace(0.9, 1, 100), np.full(100, 0.951), "scores_not_shifted"),
    "a hundred shifted down": (np.linspace(0, 0.1, 100), np.full(100, 0.049), "scores_not_shifted"),
}


@pytest.mark.parametrize("kind", SCORES)
def test_the_breaker_trips_for_scores_that_cannot_be_right(kind: str, suites: Suites) -> None:
    score, quantile, rule = SCORES[kind]
    ids = [str(number) for number in range(len(score))]
    if rule is None:
        assert dict(suites.validate_scores(ids, score=score, training_quantile=quantile).held) == {}
        return
    with pytest.raises(RunStopped, match=f"rule {rule} stops the run") as raised:
        suites.validate_scores(ids, score=score, training_quantile=quantile)
    assert len(raised.value.results) == 4


def pool(*scores: float, entities: int | None = None) -> Pool:
    """Scores published before, newest first, of so many entities (each of its own, if not said), all of other inputs."""
    published = [
        Published(entity_id=f"p{number % (entities or len(scores))}", input_hash=bytes([number]), score=score)
        for number, score in enumerate(scores)
    ]
    return pool_of(published, entity_ids=["e"], input_hashes=[b""], training_quantile=lambda score: score)


# the batch's scores, what was published before, and the rule that stops the run
POOLED: dict[str, tuple[list[float], Pool, str | None]] = {
    "one of a kind with nineteen": ([0.5], pool(*[0.5] * 19), "scores_differ"),
    "one too few": ([0.5], pool(*[0.5] * 18), None),
    "two too few with one that is missing": ([0.5, NAN], pool(*[0.5] * 18), None),
    "what is missing makes no difference": ([0.5, NAN], pool(*[0.5] * 19), "scores_differ"),
    "another than those before": ([0.6], pool(*[0.5] * 19), None),
    "turned constant": ([0.5], pool(*[0.5] * 19, 0.6, 0.7), "scores_differ"),
    "one that differed among the twenty": ([0.5], pool(*[0.5] * 18, 0.6, *[0.5] * 50), None),
    "steady for one entity": ([0.5], pool(*[0.5] * 19, entities=1), None),
    "constant for nineteen entities": ([0.5], pool(*[0.5] * 40, entities=19), "scores_differ"),
    "shifted": ([0.99], pool(*np.linspace(0.96, 1, 99)), "scores_not_shifted"),
    "shifted, but for the newest": ([0.5], pool(*[0.6] * 50, *np.linspace(0.96, 1, 49)), None),
    "turned shifted": ([0.99], pool(*np.linspace(0.96, 1, 99), *[0.0] * 50), "scores_not_shifted"),
    "a few high ones scored again and again": ([0.99], pool(*np.linspace(0.96, 1, 200), entities=98), None),
    "large enough to be validated alone": (np.linspace(0.1, 0.9, 20).tolist(), pool(*[0.5] * 19), None),
    "what was published is not validated again": ([0.5], pool(*[7.0] * 5), None),
    "declined ones are not made up for": ([NAN] * 19, pool(*np.linspace(0, 1, 50)), None),
}


@pytest.mark.parametrize("kind", POOLED)
def test_a_small_batch_is_validated_with_the_newest_that_were_published(kind: str, suites: Suites) -> None:
    scores, before, rule = POOLED[kind]
    score = np.array(scores)
    ids = ["e"] * len(score)
    if rule is None:
        result = suites.validate_scores(ids, score=score, training_quantile=score, pool=before)
        assert {each.rule: each.judged for each in result.results}["score_is_probability"] == len(score)
        return
    with pytest.raises(RunStopped, match=f"rule {rule} stops the run") as raised:
        suites.validate_scores(ids, score=score, training_quantile=score, pool=before)
    needed = {"scores_differ": 20, "scores_not_shifted": 100}[rule]
    assert {each.rule: each.judged for each in raised.value.results}[rule] == needed
    assert suites.pool_rows == 100


def test_long_texts_of_the_database_are_cut_where_they_are_shown_and_stay_apart_as_keys(suites: Suites) -> None:
    rows = [(1.0, "HR", 80.0, False, NAN, NAN, True), (1.0, "WHAT", 80.0, False, NAN, NAN, True)]
    long = "x" * 9000
    these = replace(observations(rows * 2), codes=("FIO2", long + "1", long + "2"))
    result = suites.validate_observations(these, admitted(10), as_of=as_of())
    found = [each for each in result.rejections if each.rule == "code_known"]
    keys = {each.observation_id for each in found}
    assert len(keys) == 2
    assert dict(result.unknown_codes) == dict.fromkeys(keys, 2)
    assert {each.observed for each in found} == {f"{'x' * 199}… (2 observations)"}
    assert {len(key) for key in keys if key} == {200}


def everything(suites: Suites) -> list[Any]:
    """All that the suites find in a dirty batch: observations, entities, scores that may be published and that may not."""
    seen = suites.validate_observations(observations([row for row, _ in ROWS]), admitted(10), as_of=as_of())
    found: list[Any] = [seen.usable.tolist(), seen.held, seen.rejections, seen.results, seen.unknown_codes]
    found.append(
        entities(
            suites,
            read=[10, 11, 0, 10, 10],
            used=[5, 5, 0, 10, 10],
            hours=[1.0, NAN, 0.0, -0.1, 1.0],
            age_years=[0.0, 130.1, NAN, math.inf, -math.inf],
            hours_before_icu=[-1.1, 0.0, NAN, 100_000.0, math.inf],
        )
    )
    for score, quantile, rule in SCORES.values():
        ids = [str(number) for number in range(len(score))]
        if rule is None:
            found.append(suites.validate_scores(ids, score=score, training_quantile=quantile))
            continue
        with pytest.raises(RunStopped) as raised:
            suites.validate_scores(ids, score=score, training_quantile=quantile)
        found.append((str(raised.value), raised.value.results))
    return found


def test_compiled_rules_and_great_expectations_find_the_same_to_the_last_letter(sepsis: Job, suites: Suites) -> None:
    assert everything(suites) == everything(Suites(sepsis, compiled=False))


@pytest.mark.parametrize("compiled", [True, False])
def test_threads_that_validate_at_once_get_their_own_counts(compiled: bool, sepsis: Job) -> None:
    suites = Suites(sepsis, compiled=compiled)

    def validate(bad: int) -> tuple[int, list[int]]:
        rows = [(1.0 + number / 1000, "HR", 80.0, False, NAN, NAN, True) for number in range(50)]
        rows[:bad] = [(*row[:2], math.inf, *row[3:]) for row in rows[:bad]]
        result = suites.validate_observations(observations(rows), admitted(10), as_of=as_of())
        return bad, [each.unexpected for each in result.results if each.rule == "value_finite"]

    with ThreadPoolExecutor(4) as threads:
        for bad, found in threads.map(validate, range(24 if compiled else 8)):
            assert found == [bad]


def test_two_versions_of_a_job_are_each_validated_by_their_own_rules(sepsis: Job, suites: Suites) -> None:
    entries = [
        dict(entry) for entry in sepsis.suites["scores"]["expectations"] if entry["meta"]["rule"] != "scores_differ"
    ]
    looser = Suites(replace(sepsis, version="looser", suites={**sepsis.suites, "scores": {"expectations": entries}}))
    ids, same = [str(number) for number in range(30)], np.full(30, 0.5)
    assert len(looser.validate_scores(ids, score=same, training_quantile=same).results) == 3
    with pytest.raises(RunStopped, match="scores_differ"):
        suites.validate_scores(ids, score=same, training_quantile=same)
