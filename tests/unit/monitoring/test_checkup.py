"""When the shifts of features and score are drift."""

from __future__ import annotations

from scorer.database.store.checkups import Shift
from scorer.jobs.monitoring import Limits
from scorer.monitoring.checkup import assess_drift


def shifts(*psi: float, rows: int = 1000, score: float = 0.01) -> list[Shift]:
    found = [Shift(f"f{place}", rows, each, 0.1, 0.1) for place, each in enumerate(psi)]
    return [*found, Shift("score", rows, score, 0.0, 0.0)]


def test_when_a_model_has_drifted() -> None:
    limits = Limits()

    def drifted(found: list[Shift], entities: int = 200) -> bool | None:
        return assess_drift(found, entities=entities, limits=limits).found

    assert drifted([]) is None
    assert drifted(shifts(0.9), entities=199) is None
    assert drifted(shifts(0.9, rows=199)) is None
    assert drifted(shifts(0.24, 0.0)) is False
    assert drifted(shifts(0.25, 0.0)) is True
    assert drifted(shifts(0.0, score=0.3)) is True
    # One of four hundred is not a hundredth of them; four are.
    assert drifted(shifts(0.3, *[0.0] * 399)) is False
    assert drifted(shifts(*[0.3] * 4, *[0.0] * 396)) is True
