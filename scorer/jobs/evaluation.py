"""How a job's model is measured: [utility], `alarm` and [evaluation] of job.toml."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable


@dataclass(frozen=True, slots=True)
class Utility:
    """[utility]: what an alarm, or no alarm, is worth at an hour relative to the event.

    The names and defaults are those of the PhysioNet 2019 challenge (Reyna et al., Crit Care Med 2020;48:210-217). Times are hours after
    the event. An alarm is worth nothing at `dt_early`, `max_u_tp` at `dt_optimal` and nothing at `dt_late`, on straight lines between. No
    alarm costs nothing until `dt_optimal` and `min_u_fn` at `dt_late`. For an entity without the event an alarm is worth `u_fp`, no alarm
    `u_tn`.
    """

    dt_early: float = -12.0
    dt_optimal: float = -6.0
    dt_late: float = 3.0
    max_u_tp: float = 1.0
    min_u_fn: float = -2.0
    u_fp: float = -0.05
    u_tn: float = 0.0


@dataclass(frozen=True, slots=True)
class Subgroups:
    """[evaluation.subgroups]: entities grouped by an attribute.

    By a text's values, where `edges` is empty; else by a number's intervals between `edges`.
    """

    attribute: str
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Measures:
    """How a job's model is measured; `alarm` is the lowest band that alarms, None where job.toml has none."""

    utility: Utility | None = None
    alarm: str | None = None
    subgroups: tuple[Subgroups, ...] = ()


def read_measures(table: TomlTable, *, bands: tuple[str, ...]) -> Measures:
    """Read `alarm`, [utility] and [evaluation] of job.toml, all optional; `bands` are highest first.

    Raises UserError where `alarm` is not a band above the lowest, or a section makes no sense.
    """
    evaluation = table.table("evaluation", required=False)
    groups = evaluation.table("subgroups", required=False)
    measures = Measures(
        utility=_utility(table.optional_table("utility")),
        alarm=table.text("alarm", default="") or None,
        subgroups=tuple(_subgroups(groups, attribute) for attribute in groups.names()),
    )
    groups.finish()
    evaluation.finish()
    if measures.alarm is not None and measures.alarm not in bands[:-1]:
        known = ", ".join(bands[:-1]) or "none, since [bands] has none above the lowest"
        raise UserError(
            f'{table.where}: "alarm" must be a band above the lowest, not "{measures.alarm}"; there are: {known}.'
        )
    return measures


def _utility(table: TomlTable | None) -> Utility | None:
    if table is None:
        return None
    usual = asdict(Utility())
    utility = Utility(**{name: table.number(name, default=usual[name]) for name in usual})
    table.finish()
    if not utility.dt_early < utility.dt_optimal < utility.dt_late:
        raise UserError(f"{table.where}: dt_early, dt_optimal and dt_late must follow one another in this order.")
    return utility


def _subgroups(groups: TomlTable, attribute: str) -> Subgroups:
    edges = groups.numbers(attribute)
    if any(low >= high for low, high in pairwise(edges)):
        raise UserError(f"{groups.where}: the edges of {attribute} must rise.")
    return Subgroups(attribute=attribute, edges=edges)
