"""Each statement's file and its call belong together, and the database understands each, with the rights of who runs it."""

from __future__ import annotations

import ast
import io
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import shipped_root
from scorer.database.statements import bound, statement
from scorer.database.upkeep.retention import TABLES as TABLES_PRUNED
from scorer.jobs.job import Job

ROOT = Path(__file__).parents[3]
ENGINE = sorted((ROOT / "sql" / "engine").glob("*/*.sql"))
RETENTION = [path for path in ENGINE if path.parent.name == "retention"]
OWN = sorted(path.stem for path in ENGINE if path not in RETENTION)
SOURCE = sorted(path.stem for path in (ROOT / "sql" / "source").glob("*.sql"))
JOBS = sorted((ROOT / "sql").glob("*/job.toml"))
TEMPLATE = sorted((ROOT / "sql" / "template").glob("*.sql"))
OF_JOBS = [*sorted(path for definition in JOBS for path in definition.parent.glob("*.sql")), *TEMPLATE]
ALL = [*ENGINE, *(ROOT / "sql" / "source").glob("*.sql"), *OF_JOBS]

# What takes a statement by its name.
OF_SESSIONS = {"do", "make", "one", "all", "shown", "copy", "stream", "statement"}
STORE = sorted(path.stem for path in (ROOT / "scorer" / "database" / "store").glob("*.py") if path.stem != "__init__")
# By module, the folders of sql/engine/ whose statements it calls: those of the store call the folder of their name.
FOLDERS = {
    **{f"database/store/{word}": {word} for word in STORE},
    "database/store/ledger": {"ledger", "write_back"},
    **{f"database/reporting/{name}": {"reports"} for name in ("standing", "activity", "scores", "models", "in_hand")},
    "database/access/facilities": {"access"},
    "database/access/audit": {"access"},
    "database/access/flags": {"flags"},
    "database/connecting": {"server"},
    "database/pooler": {"server"},
    "database/statements": {"server"},
    "database/notifications": {"requests"},
    "database/source/arrow_session": {"server"},
    "database/source/reader": {"server"},
    "database/source/changes": {"changes"},
}
CALLERS = {
    **dict.fromkeys(FOLDERS, OF_SESSIONS),
    "database/store/partitions": OF_SESSIONS | {"_about", "_about_table"},
    "database/source/changes": {"_ask"},
    "database/source/demo": {"statement"},
    "database/source/load": {"_statement"},
    "database/source/load_tables": {"_filled"},
}
# Statements that PREPARE does not take; they are run instead, in a transaction that is rolled back.
RUN_INSTEAD = ("CREATE", "ALTER", "COPY", "ANALYZE", "LISTEN", "SET", "BEGIN")
# What a worker may not do.
OF_APPROVERS = (
    "move_model",
    "start_challenge",
    "stop_challenge",
    "record_evidence",
    "roll_back_model",
    "recall_scores",
    "switch_job",
    "grant_facilities",
    "revoke_facilities",
    "set_flag",
    "clear_flag",
    "set_quota",
)
# What is of a partition or a table by its name, for the owner alone; tests/integration/database/upkeep/test_maintenance.py runs each.
OF_OWNER = (
    "unlink_from_partition",
    "prune",
    "count_prunable",
    "mark_for_dropping",
    "mark_detached",
    "detach_partition",
    "finish_detaching",
    "drop_partition",
)
# Statements with a place for one of a job's.
WITH_A_JOBS_OWN = (
    "enqueue_due",
    "find_asked",
    "list_current",
    "list_missing",
    "only_columns",
    "fold_rows",
    "give_no_row",
    "look_into_statement",
    "sample_due",
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT / "sql"))


def without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()


# Files and calls


def calls(module: str) -> Iterator[tuple[str, str]]:
    """Name of the function and of the statement, for each statement that a module calls; {table} stands for each table."""
    for function in ast.walk(ast.parse((ROOT / "scorer" / f"{module}.py").read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in CALLERS[module] and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    yield function.name, str(name.value)
                elif isinstance(name, ast.JoinedStr):
                    yield (
                        function.name,
                        "".join(
                            str(part.value) if isinstance(part, ast.Constant) else "{table}" for part in name.values
                        ),
                    )


def of_tables(name: str) -> list[str]:
    """The statements that a name with {table} stands for."""
    tables = tomllib.loads((ROOT / "sql" / "source" / "tables.toml").read_text(encoding="utf-8"))
    only_with_key = name.startswith("refuse_taken")
    return [
        name.replace("{table}", table)
        for table, definition in tables.items()
        if definition["unique"] or not only_with_key
    ]


def test_each_of_our_statements_is_called_once() -> None:
    called = Counter(name for module in FOLDERS for _, name in calls(module) if "/" not in name)
    assert {name: times for name, times in called.items() if times > 1} == {}
    assert sorted(called) == OWN


@pytest.mark.parametrize("module", FOLDERS)
def test_a_module_of_the_store_calls_the_statements_of_its_word_alone(module: str) -> None:
    folder_of = {path.stem: path.parent.name for path in ENGINE}
    called = {folder_of[name] for _, name in calls(module) if "/" not in name}
    assert called == FOLDERS[module]


def test_only_the_database_names_statements() -> None:
    for path in sorted((ROOT / "scorer").rglob("*.py")):
        module = path.relative_to(ROOT / "scorer").with_suffix("").as_posix()
        if module.startswith("database/"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in OF_SESSIONS
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and node.args[0].value in OWN
            )
            assert not named, f"{module}:{node.lineno} runs a statement of its own"
            # runs/plan shows the statements of a run, by name.
            asks = isinstance(node, ast.Name) and node.id == "statement"
            assert not asks or module == "runs/plan", f"{module}:{node.lineno} asks for a statement"


def test_each_statement_for_the_source_tables_is_called() -> None:
    called = {
        each for _, name in calls("database/source/load") for each in (of_tables(name) if "{table}" in name else [name])
    }
    called |= {name.removeprefix("source/") for _, name in calls("database/source/demo")}
    steps = {name.replace("{table}", step) for _, name in calls("database/source/load_tables") for step in STEPS}
    assert sorted(called | steps) == SOURCE


# The steps of loading a job's own tables; tests/integration/database/source/test_load_tables.py runs what they fill in.
STEPS = ("stage", "copy", "compare", "refuse_taken", "pass_known", "update", "insert")
OF_ANY_TABLE = {
    "make_schema",
    "make_table",
    "make_index",
    "analyze_tables",
    "empty_tables",
    "newest_time",
    *(f"{step}_rows" for step in STEPS),
}


def test_each_statement_of_retention_is_of_a_table_that_is_pruned() -> None:
    assert sorted(table for tables in TABLES_PRUNED.values() for table in tables) == [path.stem for path in RETENTION]


def test_each_file_of_a_job_is_named_by_its_definition() -> None:
    for definition in JOBS:
        statements = tomllib.loads(definition.read_text(encoding="utf-8"))["statements"]
        assert sorted(statements.values()) == sorted(path.name for path in definition.parent.glob("*.sql"))


def test_functions_are_named_like_the_one_statement_that_they_run() -> None:
    of_method: dict[str, list[str]] = {}
    for module in FOLDERS:
        if not module.startswith("database/store/"):
            continue
        for method, name in calls(module):
            of_method.setdefault(method, []).append(name)
    for method, names in of_method.items():
        if len(names) == 1:
            assert method in {names[0], "write_rejections", "write_orphans", "_about"}, f"{method} runs {names[0]}"


# Headers


@pytest.mark.parametrize("path", ALL, ids=named)
def test_each_file_is_headed_by_what_it_does(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    header = []
    for line in lines:
        if not line.startswith("--"):
            break
        header.append(line.removeprefix("--").strip())
    words = " ".join(header)
    assert re.match(r"[A-Z].{20,}[.]", words), "no sentence at its head"
    main = without_comments("\n".join(lines)).split("\n\n")[-1]  # after the WITH, if there is one
    rows = main.startswith("SELECT") or "RETURNING" in main
    if rows:
        assert re.search(r"\brows?\b", words), "does not say what one row is"


def parameters_named(text: str) -> set[str]:
    """The names behind `Parameters:` in the header; what stands in parentheses, and what is no name, is explanation."""
    comments = " ".join(line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--"))
    match = re.search(r"Parameters: (.*?)[.](?: |$)", re.sub(r" \([^)]*\)", "", comments))
    return {each for each in match[1].split(", ") if re.fullmatch(r"[a-z_0-9]+", each)} if match else set()


@pytest.mark.parametrize("path", ALL, ids=named)
def test_the_header_names_the_parameters(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    body = without_comments(text)
    used = set(re.findall(r"(?<![:\w]):([a-z_0-9]+)\b", body)) | set(re.findall(r"%\(([a-z_0-9]+)\)s", body))
    assert parameters_named(text) == used


KEYWORDS = (
    "SELECT|FROM|WHERE|INSERT|INTO|VALUES|UPDATE|SET|DELETE|JOIN|LEFT|INNER|CROSS|LATERAL|ON|AS|AND|OR|NOT|NULL|IS|IN|EXISTS|ANY|ALL|"
    "ARRAY|CASE|WHEN|THEN|ELSE|END|GROUP|ORDER|BY|LIMIT|DISTINCT|UNION|WITH|RECURSIVE|RETURNING|CONFLICT|DO|NOTHING|CAST|INTERVAL|"
    "HAVING|FOR|SKIP|LOCKED|USING|CREATE|TEMPORARY|TABLE|VIEW|REPLACE|GRANT|TO|COPY|STDIN|COMMENT|COLUMN|COMMIT|DROP|DESC|NULLS|"
    "FIRST|LAST|FILTER|OVER|PARTITION|PRIMARY|KEY|DEFAULT|ORDINALITY|COALESCE|LEAST|GREATEST"
)


@pytest.mark.parametrize("path", ALL, ids=named)
def test_keywords_are_upper_case(path: Path) -> None:
    body = re.sub(r"'[^']*'|--[^\n]*|%\(\w+\)s|:\w+|\w+\.\w+", " ", path.read_text(encoding="utf-8"))
    # Ordinary functions are lower case, and words that also name columns are let be.
    keywords = {word.lower() for word in KEYWORDS.split("|")} - {"last", "first", "key", "end", "interval", "locked"}
    assert not set(re.findall(r"\b[a-z]+\b", body)) & keywords


@pytest.mark.parametrize("path", ALL, ids=named)
def test_files_end_as_they_are_run(path: Path) -> None:
    """Statements that are run alone bear no semicolon, so that they can stand inside another; scripts end with one."""
    body = without_comments(path.read_text(encoding="utf-8"))
    script = path.stem in {"views", "grants", "new_observations", "changed_observations", "indexes"} or (
        path.parent.name == "source" and path.stem in {f"create_{t}" for t in TABLES}
    )
    assert body.endswith(";") == script


TABLES = ("visits", "patient_observations", "outcomes")


# The database's understanding


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all: whatever is tried is rolled back."""
    return make_database(template)


@pytest.fixture
def cursor(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as open_cursor:
        yield open_cursor
        connection.rollback()


def numbered(text: str) -> tuple[str, int]:
    """The statement with $1, $2, ... for its named parameters, as PREPARE wants them, and how many there are."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    body = re.sub(r"(?<![:\w]):([a-z_0-9]+)\b|%\(([a-z_0-9]+)\)s", number, text)
    return body, len(set(re.findall(r"\$\d+", body)))


def understand(cursor: Any, text: str) -> None:
    """Have the statement parsed and planned, which checks names, types and privileges, and not run."""
    body, parameters = numbered(without_comments(text))
    cursor.execute(f"PREPARE tried AS {body}")
    nulls = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    cursor.execute(f"EXPLAIN EXECUTE tried{nulls}")
    cursor.execute("DEALLOCATE tried")


def run_or_understand(cursor: Any, text: str) -> None:
    body = without_comments(text)
    if body.startswith("COPY"):
        nothing = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff" if "(FORMAT binary)" in body else b""
        cursor.copy_expert(body, io.BytesIO(nothing))
    elif body.startswith(RUN_INSTEAD):
        cursor.execute(body)
    else:
        understand(cursor, text)


def become_worker(cursor: Any) -> None:
    """Take on the worker's role, with its temporary tables made."""
    cursor.execute("SET LOCAL ROLE scorer_worker")
    for name in OWN:
        if name.startswith("create_"):
            cursor.execute(statement(name))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in OWN
        if name
        not in {*WITH_A_JOBS_OWN, *OF_OWNER, "explain_statement", "read_written", "begin_snapshot", "open_snapshot"}
    ],
)
def test_a_worker_may_run_our_statements_but_promote_nothing(cursor: Any, name: str) -> None:
    become_worker(cursor)
    if name in {*OF_APPROVERS, "admit_first_model"}:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            understand(cursor, statement(name))
    else:
        run_or_understand(cursor, statement(name))


@pytest.mark.parametrize(
    "name",
    [
        "list_models",
        "read_model",
        "read_artefact",
        "read_card",
        "write_card",
        "promotion_lacks",
        "model_before",
        *OF_APPROVERS,
    ],
)
def test_an_approver_may_run_what_a_promotion_needs(cursor: Any, name: str) -> None:
    cursor.execute("SET LOCAL ROLE scorer_approver")
    understand(cursor, statement(name))


# What pages show is read by who may read the reporting views alone.
OF_PAGES = sorted({path.stem for path in ENGINE if path.parent.name == "reports"} - {"open_snapshot"})


@pytest.mark.parametrize("name", [*OF_PAGES, "list_health", "count_scores", "list_daemons"])
def test_a_reader_may_run_what_pages_need(cursor: Any, name: str) -> None:
    cursor.execute("SET LOCAL ROLE scorer_reader")
    understand(cursor, statement(name))


@pytest.mark.parametrize("name", ["lock_installs", "count_models", "register_model", "admit_first_model"])
def test_the_owner_may_run_what_an_installation_needs(cursor: Any, name: str) -> None:
    cursor.execute("SET LOCAL ROLE scorer_owner")
    understand(cursor, statement(name))


def test_a_worker_may_read_what_it_has_written(cursor: Any) -> None:
    become_worker(cursor)
    understand(cursor, statement("read_written").format(relation="public.visits", condition="w.visit_id = 1"))


def test_a_privilege_that_is_missing_is_noticed(cursor: Any) -> None:
    become_worker(cursor)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        understand(cursor, "DELETE FROM scorer.scores WHERE score_id = :score_id")


def test_a_worker_may_enqueue_what_is_due(cursor: Any, sepsis: Job) -> None:
    become_worker(cursor)
    understand(cursor, statement("enqueue_due").replace("{due}", without_comments(sepsis.statements["due"])))


def test_a_worker_may_list_whom_a_shadow_run_scores(cursor: Any, sepsis: Job) -> None:
    become_worker(cursor)
    understand(cursor, statement("list_current").replace("{due}", without_comments(sepsis.statements["due"])))


def test_a_worker_may_look_at_some_that_are_due(cursor: Any, sepsis: Job) -> None:
    become_worker(cursor)
    understand(cursor, statement("sample_due").replace("{due}", without_comments(sepsis.statements["due"])))


@pytest.mark.parametrize("name", ["due", "requested"])
def test_a_worker_may_find_who_is_asked_for(cursor: Any, sepsis: Job, name: str) -> None:
    become_worker(cursor)
    understand(cursor, statement("find_asked").replace("{asked}", without_comments(sepsis.statements[name])))


def become_reader(cursor: Any, job: Job) -> None:
    become_worker(cursor)
    cursor.execute("SET LOCAL transaction_read_only = on")
    for parameter, value in {
        **job.parameters,
        "entity_ids": "{1}",
        "as_ofs": "{2025-06-01T00:00Z}",
        "known_ats": "{2025-06-01T00:00Z}",
        "sweep": "true",
    }.items():
        cursor.execute("SELECT set_config(%s, %s, true)", (f"scorer.{parameter}", value))


def test_a_worker_may_read_some_columns_of_the_observations(cursor: Any, sepsis: Job) -> None:
    become_reader(cursor, sepsis)
    only = statement("only_columns").replace("{columns}", '"position", "observation_value"')
    understand(cursor, only.replace("{statement}", bound(sepsis.statements["observations"])))


def test_a_worker_may_read_the_observations_folded(cursor: Any, sepsis: Job) -> None:
    become_reader(cursor, sepsis)
    parts = {
        "columns": "count(observation_id) AS known_0",
        "types": "ARRAY[observation_value] = CAST('{}' AS float8 [])",
    }
    fold = statement("fold_rows")
    for name, part in parts.items():
        fold = fold.replace(f"{{{name}}}", part)
    understand(cursor, fold.replace("{statement}", bound(sepsis.statements["observations"])))


@pytest.mark.parametrize("name", ["observations", "attributes", "orphans", "landmarks", "outcome_faults"])
def test_a_worker_may_read_what_a_job_reads(cursor: Any, sepsis: Job, name: str) -> None:
    become_reader(cursor, sepsis)
    understand(cursor, bound(sepsis.statements[name]))
    cursor.execute(bound(sepsis.statements[name]))
    assert cursor.fetchall() == []


def test_a_worker_may_write_back(cursor: Any, sepsis: Job) -> None:
    become_worker(cursor)
    understand(cursor, sepsis.statements["write_back"])
    cursor.execute(sepsis.statements["write_back"])
    assert cursor.rowcount == 0


@pytest.mark.parametrize(
    "name", [name for name in SOURCE if not name.startswith("create_") and name not in OF_ANY_TABLE]
)
def test_the_statements_for_the_source_tables_are_understood(cursor: Any, name: str) -> None:
    for table in TABLES:
        cursor.execute(statement(f"source/stage_{table}"))
    if name.startswith("stage_"):
        cursor.execute(f"DROP TABLE pg_temp.loading_{name.removeprefix('stage_')}")
    run_or_understand(cursor, statement(f"source/{name}"))


@pytest.mark.parametrize("table", TABLES)
def test_source_tables_are_made_as_promised(cursor: Any, table: str) -> None:
    columns = (
        "SELECT attname, atttypid::regtype::text, attnotnull, attidentity <> '' FROM pg_attribute "
        f"WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    cursor.execute(f"DROP TABLE public.{table} CASCADE")
    cursor.execute(statement(f"source/create_{table}"))
    cursor.execute(columns)
    made = {name: (kind, never_null, identity) for name, kind, never_null, identity in cursor.fetchall()}
    key = {"visits": "visit_id", "patient_observations": "observation_id", "outcomes": "visit_id"}[table]
    assert made.pop(key) == ("bigint", True, table == "patient_observations")
    assert not any(never_null or identity for _, never_null, identity in made.values()), "a hospital's dirt is refused"
    assert {name: kind for name, (kind, *_) in made.items()} == CONTRACT[table]


CONTRACT = {
    "visits": {
        "client": "text",
        "admitted_at": "timestamp with time zone",
        "discharged_at": "timestamp with time zone",
        "age_years": "double precision",
        "sex": "text",
        "unit": "text",
        "facility": "text",
        "hours_before_icu": "double precision",
        "sepsis_score": "double precision",
        "risk_level": "text",
        "scored_at": "timestamp with time zone",
    },
    "patient_observations": {
        "visit_id": "bigint",
        "client": "text",
        "observation_date": "timestamp with time zone",
        "observation_type_code": "text",
        "observation_value": "double precision",
        "reference_range_min": "double precision",
        "reference_range_max": "double precision",
        "recorded_at": "timestamp with time zone",
    },
    "outcomes": {"sepsis": "smallint", "onset_at": "timestamp with time zone"},
}


def test_the_statements_found_are_those_installed() -> None:
    root = shipped_root() / "sql" / "engine"
    assert {path.relative_to(root) for path in root.glob("*/*.sql")} == {
        path.relative_to(ROOT / "sql" / "engine") for path in ENGINE
    }
    assert len(OWN) > 30
