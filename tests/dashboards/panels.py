"""The dashboards as Grafana would read them: panels, their queries, and what stands in a query for a macro or a variable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "systemd" / "grafana"
FILES = sorted(FOLDER.glob("*.json"))
PROMETHEUS = {"type": "prometheus", "uid": "scorer-prometheus"}
POSTGRESQL = {"type": "grafana-postgresql-datasource", "uid": "scorer-postgresql"}


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, of an annotation or of a variable; `text` is PromQL or SQL as it stands in the file."""

    dashboard: str
    panel: str
    name: str
    text: str
    sql: bool
    instant: bool = False

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel} {self.name}".strip()


@cache
def dashboard(path: Path) -> Any:
    """What the file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def panels(path: Path) -> list[Any]:
    """The panels of a dashboard that ask something: its rows, which head them, left out."""
    return [panel for panel in dashboard(path)["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every query of every panel, and of every annotation."""
    for path in FILES:
        for panel in panels(path):
            for target in panel["targets"]:
                sql = target["datasource"] == POSTGRESQL
                text = target["rawSql"] if sql else target["expr"]
                yield Query(path.stem, panel["title"], target["refId"], text, sql, bool(target.get("instant")))
        for annotation in dashboard(path)["annotations"]["list"]:
            if "target" in annotation:
                yield Query(path.stem, annotation["name"], "", annotation["target"]["rawSql"], sql=True)


def variables() -> Iterator[Query]:
    """The query of every variable."""
    for path in FILES:
        for variable in dashboard(path)["templating"]["list"]:
            sql = variable["datasource"] == POSTGRESQL
            text = variable["query"] if sql else variable["query"]["query"]
            yield Query(path.stem, f"${variable['name']}", "", text, sql)


@dataclass(frozen=True, slots=True)
class View:
    """What a reader has chosen at the top of a dashboard: the time from and until, the step between points, the jobs."""

    since: datetime
    until: datetime
    step: str
    jobs: Sequence[str]

    def sql(self, text: str) -> str:
        """The SQL that Grafana sends: macros first, whose arguments end at the first parenthesis, then variables."""
        made = re.sub(r"\$(__\w+)\(([^)]*)\)", lambda found: self._macro(found[1], found[2]), self._variables(text))
        return _without_placeholders(made)

    def promql(self, text: str, *, rate: str) -> str:
        """The PromQL that Grafana sends; `rate` is what it takes for $__rate_interval."""
        seconds = f"{(self.until - self.since).total_seconds():.0f}s"
        chosen = f"({'|'.join(re.escape(job) for job in self.jobs)})"
        found = {"$__rate_interval": rate, "$__range": seconds, "$__interval": self.step, "$job": chosen}
        return _without_placeholders(_replaced(text, found))

    def _variables(self, text: str) -> str:
        quoted = ",".join("'" + job.replace("'", "''") + "'" for job in self.jobs)
        return _replaced(text, {"$__interval": self.step, "$job": quoted})

    def _macro(self, name: str, arguments: str) -> str:
        first, *rest = (each.strip() for each in arguments.split(","))
        since, until = (f"'{moment:%Y-%m-%dT%H:%M:%SZ}'" for moment in (self.since, self.until))
        if name == "__timeFilter":
            return f"{first} BETWEEN {since} AND {until}"
        if name in {"__timeGroup", "__timeGroupAlias"}:
            seconds = _seconds(rest[0].strip("'"))
            alias = ' AS "time"' if name.endswith("Alias") else ""
            return f"floor(extract(epoch from {first})/{seconds})*{seconds}{alias}"
        return {"__timeFrom": since, "__timeTo": until}[name]


def _replaced(text: str, values: Mapping[str, str]) -> str:
    """`text` with every variable of `values` in its place, the longest names first."""
    for name in sorted(values, key=len, reverse=True):
        text = re.sub(re.escape(name) + r"\b", lambda _, value=values[name]: value, text)  # type: ignore[misc]
    return text


def _seconds(interval: str) -> int:
    return int(interval[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[interval[-1]]


def _without_placeholders(text: str) -> str:
    left = re.findall(r"\$\w+", text)
    assert not left, f"nobody fills in {left}: {text}"
    return text
