"""Which rules are evaluated in their compiled form, and what is recorded of the proof."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.scoring.validation import equivalence, gx
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rule_engine import RuleEngine, _shipped, made_with
from scorer.scoring.validation.rules import Rule
from scorer.scoring.validation.suites import Suites

pytestmark = pytest.mark.usefixtures("nothing_proved")

MakeRules = Callable[..., tuple[Rule, ...]]
MakeFrame = Callable[..., Frame]
BETWEEN = "expect_column_values_to_be_between"
ABOVE_0 = {"column": "a", "min_value": 0}


def engine(rules: tuple[Rule, ...], *, records: Path | None = None, enabled: bool = True) -> RuleEngine:
    return RuleEngine(rules, where="A suite", compiled=enabled, records=records)


def test_columns_of_other_types_are_left_to_great_expectations_and_the_rest_is_not(
    make_rules: MakeRules, make_frame: MakeFrame
) -> None:
    rules = make_rules(
        ("expect_column_values_to_not_be_null", {"column": "text"}),
        (BETWEEN, ABOVE_0),
        ("expect_column_values_to_be_increasing", {"column": "a"}),
    )
    frame = make_frame(a=[1.0, -1.0, 2.0], text=np.array(["x", None, "y"], dtype=object))
    found = engine(rules).evaluate(rules, frame)
    assert {name: outcome.broken.tolist() for name, outcome in found.items()} == {"r0": [1], "r1": [1], "r2": [1]}
    assert list(engine(rules)._usable_forms(frame)) == ["r1"]


def test_the_proof_holds_for_the_types_of_the_columns_that_it_was_made_for(
    make_rules: MakeRules, make_frame: MakeFrame
) -> None:
    rules = make_rules((BETWEEN, ABOVE_0))
    asked = engine(rules)
    asked.evaluate(rules, make_frame(a=[1.0]))
    asked.evaluate(rules, make_frame(a=[1, 2, -1]))
    assert list(asked._forms) == [("<f8",), ("<i8",)]


def test_a_rule_that_cannot_be_evaluated_is_one_sentence(make_rules: MakeRules, make_frame: MakeFrame) -> None:
    rules = make_rules((BETWEEN, {**ABOVE_0, "max_value": -1}))
    with pytest.raises(UserError, match="A suite: rule r0 could not be judged"):
        engine(rules).evaluate(rules, make_frame(a=[1.0]))


PROGRAM = """
import json, sys, pathlib
import numpy as np
from scorer.jobs.job import load_job
from scorer.scoring.validation.suites import Suites
suites = Suites(load_job("sepsis"), records=pathlib.Path(sys.argv[1]))
score = np.linspace(0, 1, 100)
result = suites.validate_scores([str(n) for n in range(100)], score=score, training_quantile=score)
print(json.dumps([sorted({"great_expectations", "pandas"} & set(sys.modules)), [str(each) for each in result.results]]))
"""


def test_a_proof_on_record_spares_the_next_process_great_expectations(tmp_path: Path, sepsis: Job) -> None:
    score = np.linspace(0, 1, 100)
    here = Suites(sepsis, records=tmp_path).validate_scores(
        [str(n) for n in range(100)], score=score, training_quantile=score
    )
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], [str(each) for each in here.results]]


@pytest.mark.parametrize("spoiled", ["{", "7", '["another rule"]', "\xff"])
def test_a_spoiled_record_vouches_for_nothing(
    spoiled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_rules: MakeRules, make_frame: MakeFrame
) -> None:
    rules, frame = make_rules((BETWEEN, ABOVE_0)), make_frame(a=[-1.0])
    assert engine(rules, records=tmp_path).evaluate(rules, frame)["r0"].broken.tolist() == [0]
    for record in tmp_path.iterdir():
        record.write_bytes(spoiled.encode("latin-1"))
    monkeypatch.setattr("scorer.scoring.validation.rule_engine._proved", {})
    assert engine(rules, records=tmp_path).evaluate(rules, frame)["r0"].broken.tolist() == [0]


def test_a_record_is_for_one_suite_one_code_and_one_set_of_libraries(
    monkeypatch: pytest.MonkeyPatch, make_rules: MakeRules
) -> None:
    def key(*entries: tuple[str, dict[str, Any]]) -> str:
        return engine(make_rules(*entries))._key(("<f8",))

    keys = [key((BETWEEN, ABOVE_0)), key((BETWEEN, {**ABOVE_0, "min_value": 1})), key((BETWEEN, ABOVE_0))]
    monkeypatch.setattr("scorer.scoring.validation.rule_engine._dependencies", lambda: ["another NumPy"])
    keys.append(key((BETWEEN, ABOVE_0)))
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


def test_where_no_record_can_be_kept_the_proof_is_made_anew(
    tmp_path: Path, make_rules: MakeRules, make_frame: MakeFrame
) -> None:
    (tmp_path / "file").write_text("")
    rules = make_rules((BETWEEN, ABOVE_0))
    asked = engine(rules, records=tmp_path / "file" / "proofs")
    assert asked.evaluate(rules, make_frame(a=[-1.0]))["r0"].broken.tolist() == [0]


ENGINE = "scorer.scoring.validation.rule_engine"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Great Expectations is asked in the test: whether it understands a suite, and of the compiled forms."""
    calls: list[str] = []
    understood, differing = gx.require_understood, equivalence.find_differing
    monkeypatch.setattr(gx, "require_understood", lambda *a, **k: (calls.append("understood"), understood(*a, **k))[1])
    monkeypatch.setattr(equivalence, "find_differing", lambda *a, **k: (calls.append("forms"), differing(*a, **k))[1])
    return calls


def as_shipped(folder: Path, records: Path) -> None:
    """Put what was recorded in a folder into the proofs of an installation."""
    proofs = {path.name: json.loads(path.read_text()) for path in records.iterdir()}
    (folder / "expectations").mkdir(parents=True)
    (folder / "expectations" / "proofs.json").write_text(json.dumps({"made_with": [], "proofs": proofs}))


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Ends what the test's process knows, and has it begin as one of an installation whose shipped folders are in the one given."""

    def begin() -> Path:
        _shipped.cache_clear()
        monkeypatch.setattr(f"{ENGINE}._proved", {})
        monkeypatch.setattr(f"{ENGINE}._shipped", _shipped)
        monkeypatch.setattr(f"{ENGINE}.shipped_root", lambda: tmp_path / "installed")
        return tmp_path / "installed"

    yield begin
    _shipped.cache_clear()


def test_a_shipped_proof_spares_the_first_run_great_expectations(
    tmp_path: Path,
    installation: Callable[[], Path],
    asked: list[str],
    make_rules: MakeRules,
    make_frame: MakeFrame,
) -> None:
    rules, frame = make_rules((BETWEEN, ABOVE_0)), make_frame(a=[-1.0])
    engine(rules, records=tmp_path / "made").evaluate(rules, frame)
    assert asked == ["understood", "forms"]
    as_shipped(installation(), tmp_path / "made")
    assert engine(rules, records=tmp_path / "first").evaluate(rules, frame)["r0"].broken.tolist() == [0]
    assert asked == ["understood", "forms"]
    assert not (tmp_path / "first").exists()
    other = make_rules((BETWEEN, {**ABOVE_0, "min_value": 1}))
    engine(other, records=tmp_path / "first").evaluate(other, frame)
    assert asked == ["understood", "forms"] * 2


def test_without_records_the_shipped_suites_are_proved_as_well(
    tmp_path: Path,
    installation: Callable[[], Path],
    asked: list[str],
    make_rules: MakeRules,
    make_frame: MakeFrame,
) -> None:
    rules, frame = make_rules((BETWEEN, ABOVE_0)), make_frame(a=[-1.0])
    engine(rules, records=tmp_path / "made").evaluate(rules, frame)
    as_shipped(installation(), tmp_path / "made")
    engine(rules).evaluate(rules, frame)
    assert asked == ["understood", "forms"] * 2


@pytest.mark.parametrize("other", [("numpy 0.1", "python 3.11", "x86_64"), (*made_with()[:-1], "another machine")])
def test_a_proof_shipped_for_other_libraries_or_machines_is_not_found(
    other: tuple[str, ...],
    tmp_path: Path,
    installation: Callable[[], Path],
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    make_rules: MakeRules,
    make_frame: MakeFrame,
) -> None:
    rules, frame = make_rules((BETWEEN, ABOVE_0)), make_frame(a=[-1.0])
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(f"{ENGINE}.made_with", lambda: other)
        engine(rules, records=tmp_path / "made").evaluate(rules, frame)
    as_shipped(installation(), tmp_path / "made")
    engine(rules, records=tmp_path / "first").evaluate(rules, frame)
    assert asked == ["understood", "forms"] * 2
    assert len([*(tmp_path / "first").iterdir()]) == 2


@pytest.mark.parametrize(
    "spoiled", ["{", "7", '{"proofs": 7}', '{"proofs": {"KEY": 7}}', '{"proofs": {"KEY": ["x"]}}', "\xff"]
)
def test_spoiled_proofs_of_an_installation_vouch_for_nothing(
    spoiled: str,
    tmp_path: Path,
    installation: Callable[[], Path],
    make_rules: MakeRules,
    make_frame: MakeFrame,
) -> None:
    rules, frame = make_rules((BETWEEN, ABOVE_0)), make_frame(a=[-1.0])
    key = engine(rules)._key(("<f8",))
    shipped = installation() / "expectations"
    shipped.mkdir(parents=True)
    (shipped / "proofs.json").write_bytes(spoiled.replace("KEY", key).encode("latin-1"))
    assert engine(rules, records=tmp_path / "first").evaluate(rules, frame)["r0"].broken.tolist() == [0]
