"""What the tests of training on a database share: its tables, and visits of whom some have the event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest


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
