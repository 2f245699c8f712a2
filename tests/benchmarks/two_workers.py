"""Ours with two workers."""

from __future__ import annotations

from tests.benchmarks import ours
from tests.benchmarks.task import Task


class Contestant(ours.Contestant):
    """`scorer run --workers 2`."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, workers=2)
