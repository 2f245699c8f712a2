"""Inputs that the model declines: unlike its training data, or left undecided by the conformal set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.jobs.publication import Decline, Declining
from scorer.registry.declining import Baseline
from scorer.registry.ensemble import Ensemble

VISITS = 30


@pytest.fixture
def cautious(
    hospital: Any,
    make_model: Callable[..., Path],
    linear: Callable[..., Ensemble],
    declining: Callable[..., dict[str, Any]],
) -> Any:
    """A hospital whose model knows what its training data were like."""
    spec = Declining(share=0.01)
    model = make_model(
        hospital.job, linear(hospital.job), version="cautious", declining=declining(hospital.job, spec=spec)
    )
    hospital.put_into_production(hospital.job, model)
    hospital.admit(*range(1, VISITS + 1))
    return hospital


def test_inputs_unlike_the_training_data_are_declined_and_others_are_not(
    cautious: Any, make_odd: Callable[[Any, int], None]
) -> None:
    make_odd(cautious, 7)
    counts = cautious.run().counts
    assert (counts.indeterminate, counts.scored) == (1, VISITS - 1)
    status, reason = cautious.status(7)
    assert status == "INDETERMINATE"
    assert reason is not None
    assert reason.startswith("the inputs are unlike the training data: ")
    assert "317" not in reason
    unlike = cautious.one("SELECT (outputs ->> 'unlike')::int FROM reporting.score_history WHERE entity_id = '7'")
    assert unlike > 3
    assert cautious.one("SELECT outputs FROM reporting.current_scores WHERE entity_id = '7'") == {}
    again = cautious.run(as_of=cautious.noon + timedelta(minutes=1)).counts
    assert (again.indeterminate, again.unchanged) == (1, VISITS - 1)
    assert cautious.ledger(7) == ["INDETERMINATE"], "written once"


def test_a_ward_that_is_mostly_unlike_training_is_declined_and_no_broken_model(
    cautious: Any, make_odd: Callable[[Any, int], None]
) -> None:
    odd = VISITS * 3 // 4
    assert VISITS >= 20, "too few for the rule that asks for a score of at least half"
    for visit in range(1, odd + 1):
        make_odd(cautious, visit)
    counts = cautious.run().counts
    assert (counts.indeterminate, counts.scored) == (odd, VISITS - odd)


def test_the_conformal_set_is_recorded_with_each_score_and_declines_only_where_asked(cautious: Any) -> None:
    cautious.observe(5, hours_ago=0.5, observation_value=133.0)
    cautious.run()
    sets = dict(cautious.rows("SELECT entity_id, outputs ->> 'conformal' FROM reporting.current_scores"))
    assert set(sets.values()) == {"0", "both"}
    assert sets["5"] == "both"
    asked = replace(cautious.job, version="f" * 16, declining=Declining(decline_on=(Decline.UNDECIDED,)))
    counts = cautious.run(asked, as_of=cautious.noon + timedelta(minutes=1)).counts
    assert counts.indeterminate == sum(each == "both" for each in sets.values())
    assert cautious.status(5) == (
        "INDETERMINATE",
        "the conformal set holds both classes at level 0.1: the score decides nothing",
    )


def test_an_old_manifest_declines_nothing_and_records_nothing(
    scored: Any, make_odd: Callable[[Any, int], None]
) -> None:
    make_odd(scored, 7)
    scored.run()
    assert scored.status(7)[0] == "SCORED"
    assert scored.rows("SELECT DISTINCT outputs::text FROM reporting.current_scores") == [("{}",)]


def test_a_manifest_that_cannot_be_used_stops_before_anything_is_claimed(
    hospital: Any, make_model: Callable[..., Path], linear: Callable[..., Ensemble]
) -> None:
    hospital.put_into_production(
        hospital.job, make_model(hospital.job, linear(hospital.job), version="broken", declining={"unlike": {}})
    )
    hospital.admit(1)
    with pytest.raises(UserError, match='"declining" cannot be used'):
        hospital.run()
    assert Baseline.of({}) is None
