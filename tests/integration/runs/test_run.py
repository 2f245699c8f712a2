"""How a run ends: by itself, or because it is asked to stop."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.errors import Stopping
from scorer.runs.run import run_tick
from scorer.runs.worker import Hooks
from scorer.types.enums import Trigger


def test_a_run_that_is_asked_to_stop_does_not_wait_for_what_others_hold(hospital: Any) -> None:
    hospital.admit(1, 2)
    hospital.settings = replace(hospital.settings, batch_size=1)
    asked = threading.Event()
    with closing(hospital.connect()) as other:

        def watch(step: str) -> None:
            if step == "enqueue":
                other.cursor().execute("SELECT 1 FROM scorer.work WHERE entity_id = '2' FOR UPDATE")
            elif step == "wait":
                asked.set()

        with pytest.raises(Stopping):
            run_tick(
                hospital.job,
                database=Database(hospital.url, hospital.settings),
                tick=None,
                trigger=Trigger.SCHEDULE,
                as_of=hospital.noon,
                hooks=Hooks(watch=watch, stopping=asked.is_set),
            )
    assert list(hospital.scores()) == ["1"]
