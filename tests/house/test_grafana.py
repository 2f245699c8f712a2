"""The dashboards' form: panels that lie side by side, say what they show, and ask in a way that holds with several daemons."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dashboards.panels import (
    FILES,
    FOLDER,
    POSTGRESQL,
    PROMETHEUS,
    Query,
    View,
    dashboard,
    panels,
    queries,
    variables,
)

INSTALL = (FOLDER.parent / "install.sh").read_text(encoding="utf-8")
README = (FOLDER / "README.md").read_text(encoding="utf-8")
WIDTH = 24
MOST_BYTES = 24_000
# What belongs to one patient, or says who it is. To count entities is what the panels are for.
OF_PATIENTS = re.compile(r"\b(observed|client|features|outputs|attributes|label|observation_id|entity_id)\b")
COUNTED = "count(DISTINCT entity_id)"
# A counter or gauge of a job, which each daemon tells alike.
OF_JOBS = re.compile(r"(scorer_\w+)\{[^}]*job_name=~")

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_promql = pytest.mark.parametrize("query", [query for query in queries() if not query.sql], ids=str)
each_sql = pytest.mark.parametrize("query", [query for query in queries() if query.sql], ids=str)


def cells(panel: Any) -> set[tuple[int, int]]:
    """The places of the grid that a panel takes."""
    at = panel["gridPos"]
    return set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))


def test_there_are_four() -> None:
    assert [path.stem for path in FILES] == ["jobs", "models", "quality", "service"]


@each_file
def test_a_dashboard_has_its_address_and_is_small(path: Path) -> None:
    found = dashboard(path)
    assert found["uid"] == f"scorer-{path.stem}"
    assert f"`{path.name}`" in README
    assert f"/d/{found['uid']}" in README
    assert path.stat().st_size <= MOST_BYTES


@each_file
def test_panels_lie_side_by_side(path: Path) -> None:
    every = dashboard(path)["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken = [cell for panel in every for cell in cells(panel)]
    assert len(set(taken)) == len(taken), "one lies over another"
    assert max(x for x, _ in taken) < WIDTH


@each_file
def test_a_panel_says_what_it_shows_and_in_which_unit(path: Path) -> None:
    titles = [panel["title"] for panel in panels(path)]
    assert len(set(titles)) == len(titles)
    for panel in panels(path):
        assert re.fullmatch(r"[A-Z0-9].*[.]", panel["description"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == panel["datasource"] in (PROMETHEUS, POSTGRESQL), panel["title"]


@each_file
def test_a_choice_of_jobs_stands_at_the_top(path: Path) -> None:
    (variable,) = dashboard(path)["templating"]["list"]
    assert (variable["name"], variable["multi"], variable["includeAll"]) == ("job", True, True)


@each_promql
def test_what_every_daemon_tells_alike_is_taken_once(query: Query) -> None:
    """max by (job_name) takes it once, however many are scraped; a sum would count it once for each daemon."""
    for found in OF_JOBS.finditer(query.text):
        before = re.sub(r"(?:rate|increase)\($", "", query.text[: found.start()])
        assert re.search(r"\bmax(?: by \([a-z_, ]+\) )?\($", before), f"{query}: {found[1]}"


@each_sql
def test_the_reporting_views_alone_are_read_and_no_patient_is_named(query: Query) -> None:
    read = re.findall(r"\b(?:FROM|JOIN) (?!LATERAL jsonb)([a-z_.]+)", query.text.replace("EPOCH FROM", ""))
    assert {name.partition(".")[0] for name in read} == {"reporting"}
    shown = query.text.replace(COUNTED, "").partition("jsonb_to_recordset")[0]
    assert not OF_PATIENTS.search(shown)
    assert "*" not in query.text.replace("count(*)", "")


@each_sql
def test_nothing_is_asked_that_costs_more_with_every_month(query: Query) -> None:
    """What grows with runs is asked for the time chosen alone; what grows with scores is left to the metrics."""
    assert not re.search(
        r"reporting\.(?:score_history|score_reasons|current_scores|drift|feature_vectors)\b", query.text
    )
    for part in query.text.split(" UNION ALL "):
        if re.search(r"reporting\.(?:runs|ticks|requests|validation)\b", part):
            assert "$__timeFilter(" in part


def test_every_query_follows_the_choice_of_jobs() -> None:
    without = {str(query) for query in queries() if "$job" not in query.text}
    # Of a daemon, and not of a job.
    assert without == {
        "service: Ready daemons A",
        "service: Silent daemons A",
        "service: Database answers A",
        "service: Version A",
        "service: Processor A",
        "service: Memory A",
        "service: Open files A",
        "service: Look at the database A",
    }
    assert {query.name for query in variables()} == {""}


def test_the_sources_are_those_that_the_dashboards_name() -> None:
    told = yaml.safe_load((FOLDER / "datasources.yml").read_text(encoding="utf-8"))
    sources = {source["uid"]: source for source in told["datasources"]}
    assert [{"type": each["type"], "uid": uid} for uid, each in sources.items()] == [PROMETHEUS, POSTGRESQL]
    database = sources[POSTGRESQL["uid"]]
    assert database["jsonData"]["sslmode"] == "verify-full"
    assert re.fullmatch(r"\$\{[A-Z_]+\}", database["secureJsonData"]["password"]), "a password is written down"
    assert database["secureJsonData"]["password"].strip("${}") in README
    assert f"create role {database['user']} login" in README


def test_the_dashboards_are_looked_for_where_they_are_installed() -> None:
    told = yaml.safe_load((FOLDER / "dashboards.yml").read_text(encoding="utf-8"))
    (provider,) = told["providers"]
    assert provider["options"]["path"] == "/usr/local/share/scorer/grafana"
    assert '"$here"/grafana/*.json' in INSTALL
    assert "$share/grafana/$(basename" in INSTALL
    for name in ("datasources.yml", "dashboards.yml"):
        assert (
            f"/usr/local/share/scorer/grafana/{name} /etc/grafana/provisioning/{name.partition('.')[0]}/scorer.yml"
            in README
        )


def test_what_stands_for_the_time_and_the_jobs_is_filled_in_as_grafana_does() -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    view = View(since=since, until=since + timedelta(hours=6), step="5m", jobs=("a", "b's"))
    assert view.sql("SELECT $__timeGroupAlias(x_at, $__interval) WHERE $__timeFilter(x_at) AND job IN ($job)") == (
        'SELECT floor(extract(epoch from x_at)/300)*300 AS "time" '
        "WHERE x_at BETWEEN '2026-03-01T00:00:00Z' AND '2026-03-01T06:00:00Z' AND job IN ('a','b''s')"
    )
    asked = 'increase(x{job_name=~"$job"}[$__range]) + rate(x[$__rate_interval])'
    assert View(since, view.until, "5m", ("a", "b")).promql(asked, rate="1m") == (
        'increase(x{job_name=~"(a|b)"}[21600s]) + rate(x[1m])'
    )
    with pytest.raises(AssertionError, match="nobody fills in"):
        view.sql("SELECT $day")
