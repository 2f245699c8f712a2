"""The house rules that a reader relies on, held against every file: who imports whom, what stands where, what is never done."""

from __future__ import annotations

import ast
import configparser
import doctest
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scorer.config import Settings, load_settings, shipped_root

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "scorer"
# A module by its name within ours, "training.folds"; a package by the name of its __init__, "training".
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
MODULES = sorted(FILES)
# Those of them that are packages, which say what they are and hold nothing else.
ROOMS = {module for module, path in FILES.items() if path.name == "__init__.py" and module != "__init__"}

# The rooms, lowest first: imports go down this list alone. A module stands where its longest package that is listed here does; the
# package's own name stands for scorer/__init__.py.
PACKAGES = (
    "",
    "errors",
    "types",
    "config",
    "log",
    "pages",
    "jobs",
    "jobs.folder",
    "database",
    "database.access",
    "database.embedded",
    "database.reporting",
    "database.source.files",
    "database.source",
    "database.store",
    "database.upkeep",
    "tasks",
    "registry",
    "scoring.validation",
    "scoring.features",
    "scoring",
    "runs",
    "checks",
    "checks.in_depth",
    "evaluation",
    "training",
    "training.search",
    "governance",
    "monitoring",
    "monitoring.report",
    "daemon",
    "cli",
    "cli.site",
    "cli.main",  # a module, which puts the commands of both together
)
MOST_MODULES = 13  # in one room
MOST_ENTRIES = 18  # in scorer/, but for __init__.py and py.typed
# What the pipeline puts together: none of them imports another.
STEPS = (
    "database.source.reader",
    "database.store.runs",
    "registry.model",
    "scoring.features.build",
    "scoring.input_hash",
    "scoring.timing",
    "scoring.validation.suites",
)
COMMAND_LINE = {module for module in MODULES if module.startswith("cli.")} - ROOMS

# Each heavy library has one door, or few with a reason.
DOORS = {
    "great_expectations": {"scoring.validation.gx"},
    "pandas": {"scoring.validation.gx", "database.source.sample"},  # the tables that it judges; the sample cohort's
    "alembic": {"database.schema"},
    "sqlalchemy": {"database.session", "database.schema"},  # the engine, its statements, its migrations
    # sqlalchemy's driver, whose errors connection explains; embedded asks a starting server before there are settings;
    # load hands COPY a file.
    "psycopg2": {
        "database.connecting",
        "database.connection",
        "database.error_messages",
        "database.pooler",
        "database.readonly_session",
        "database.embedded.server",
        "database.notifications",
        "database.source.load",
    },
    "sklearn": {"training.classifiers", "training.regressors"},  # and where an artefact is made of it
    "lightgbm": {"training.classifiers"},  # inside a function; registry.boosting asks its library
    "scipy": set(),  # scikit-learn's own
    "threadpoolctl": {"runs.threads", "registry.model", "training.cross_validation"},
    "distributed": {"runs.cluster"},  # inside functions: it comes with the extra `dask`
    "joblib": {
        "runs.cluster",
        "registry.estimator",
        "training.cross_validation",
        "training.search.conduct",
        "training.trainer",
    },
    "adbc_driver_manager": {"database.source.arrow_session"},
    "adbc_driver_postgresql": {"database.source.arrow_session"},
    "pyarrow": {
        "database.source.arrow_arrays",
        "database.source.arrow_session",
        "database.source.changes",
        "database.source.columns",
        "database.source.files.by_column",
        "database.source.folded",
        "database.source.kept",
        "database.source.numbers",
        "database.source.reader",
        "evaluation.landmarks",
        "training.matrices",
        "scoring.features.calendar",  # local times of whole arrays
    },
    "apscheduler": {"daemon.daemon"},
    "cronsim": {"jobs.schedule"},
    # health: the name of the format alone
    "prometheus_client": {"monitoring.prometheus", "monitoring.gauges", "monitoring.health"},
    "click": COMMAND_LINE,
    "rich": {"cli.output"},
    "matplotlib": {
        "pages.drawing",
        "training.search.report",
    },  # inside functions: it comes with the extra `report`
}

SQL = re.compile(
    r"\s*(--[^\n]*\n\s*)*(SELECT|INSERT INTO|UPDATE|DELETE FROM|MERGE|WITH|VALUES|CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE|COPY|SET|"
    r"LOCK|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|LISTEN|NOTIFY|CALL|DO|ANALYZE|VACUUM|EXPLAIN|PREPARE|DECLARE|FETCH|COMMENT ON|REFRESH)\s"
)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def python_files() -> list[Path]:
    return sorted(path for folder in ("scorer", "migrations", "tests") for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Every module that the file imports anywhere, functions included, by its full name."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)} imports relatively"
            yield str(node.module), node
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def imported_modules(module: str) -> set[str]:
    """The modules of ours that one of ours imports."""
    names = {name.removeprefix("scorer.") for name, _ in imported(FILES[module]) if name.startswith("scorer.")}
    # Of `from scorer.a import b`, b may be a module of the package a or a name in the module a.
    found = names & set(MODULES) | {name.rpartition(".")[0] for name in names} & set(MODULES)
    return found - {module} - ROOMS


def place_of(module: str) -> int:
    """Where a module stands among PACKAGES."""
    within = [name for name in PACKAGES if name and (module == name or module.startswith(f"{name}."))]
    assert within or module == "__init__", f"{module} is in no room"
    return PACKAGES.index(max(within, key=len, default=""))


def modules_of(room: str) -> list[str]:
    """The modules of a room, without those of the rooms within it."""
    return [module for module in MODULES if module.rpartition(".")[0] == room and FILES[module].name != "__init__.py"]


def test_every_package_has_its_place() -> None:
    assert {room for room in PACKAGES if room} - {"config", "errors", "cli.main"} == ROOMS


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_every_room_says_what_it_is_and_holds_nothing_else(room: str) -> None:
    (docstring,) = tree_of(FILES[room]).body
    assert isinstance(docstring, ast.Expr)
    assert "Imports " in ast.get_docstring(tree_of(FILES[room]))


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    upward = {other for other in imported_modules(module) if place_of(other) > place_of(module)}
    assert not upward, f"{module} imports {upward}, which stand above it"


TESTS = ROOT / "tests"


def test_each_module_has_a_test_of_its_name() -> None:
    """In its room under unit/ or integration/, or both."""
    without = {
        module
        for module in MODULES
        if FILES[module].name != "__init__.py"
        and not any(
            (TESTS / level / FILES[module].relative_to(PACKAGE).parent / f"test_{FILES[module].name}").exists()
            for level in ("unit", "integration")
        )
    }
    assert not without


@pytest.mark.parametrize("room", ["", *sorted(ROOMS)])
def test_a_room_has_a_dozen_modules(room: str) -> None:
    assert len(modules_of(room)) <= MOST_MODULES


def test_the_package_has_few_entries() -> None:
    entries = {path.name for path in PACKAGE.iterdir()} - {"__init__.py", "py.typed", "__pycache__", "README.md"}
    assert len(entries) <= MOST_ENTRIES


LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
MOST_PARAMETERS = 8


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"log.events"}))
def test_modules_and_functions_are_short(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    for node in ast.walk(tree_of(FILES[module])):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{module}.{node.name} is too long"
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            own = [each for each in arguments if each.arg not in {"self", "cls"}]
            assert len(own) <= MOST_PARAMETERS, f"{module}.{node.name} takes too much"


def test_the_pipeline_fits_a_screen() -> None:
    assert len(FILES["scoring.pipeline"].read_text(encoding="utf-8").splitlines()) < 120


def test_no_room_is_imported_in_a_circle() -> None:
    def room_of(module: str) -> str:
        return max((room for room in PACKAGES if module == room or module.startswith(f"{room}.")), key=len, default="")

    left = {room: set[str]() for room in PACKAGES}
    for module in MODULES:
        left[room_of(module)] |= {room_of(other) for other in imported_modules(module)} - {room_of(module)}
    while free := [room for room, needs in left.items() if not needs]:
        left = {room: needs - set(free) for room, needs in left.items() if room not in free}
    assert not left


@pytest.mark.parametrize("module", STEPS)
def test_steps_of_the_pipeline_know_nothing_of_each_other(module: str) -> None:
    assert not imported_modules(module) & set(STEPS)


def test_no_module_is_imported_in_a_circle() -> None:
    left = {module: imported_modules(module) for module in MODULES}
    while free := [module for module, needs in left.items() if not needs]:
        left = {module: needs - set(free) for module, needs in left.items() if module not in free}
    assert not left


def test_imports_inside_functions_are_for_the_weight_of_commands_alone() -> None:
    inside = {
        module for module in MODULES for _, node in imported(FILES[module]) if node not in tree_of(FILES[module]).body
    }
    # rule_engine: Great Expectations takes seconds and 220 MB, which a process that finds its proof on record need not spend.
    # drawing: matplotlib comes with the extra `report`.
    # classifiers: LightGBM's package, where that is what learns.
    # schema: Alembic, where the schema is migrated: every run asks whether it is at head.
    # cluster: Dask comes with the extra `dask`.
    # status: `scorer status` waits for no SQLAlchemy, which its types alone would need.
    assert inside == COMMAND_LINE - {"cli.main"} | {
        "training.classifiers",
        "database.schema",
        "runs.cluster",
        "scoring.validation.rule_engine",
        "pages.drawing",
        "training.search.report",
        "database.store.status",
    }


def test_nothing_is_imported_behind_the_scenes() -> None:
    for module in MODULES:
        called = {ast.unparse(node.func) for node in ast.walk(tree_of(FILES[module])) if isinstance(node, ast.Call)}
        assert not called & {"__import__", "importlib.import_module", "import_module", "exec", "eval", "compile"}


@pytest.mark.parametrize("library", DOORS)
def test_each_heavy_library_has_its_doors(library: str) -> None:
    through = {
        module for module in MODULES if any(name.split(".")[0] == library for name, _ in imported(FILES[module]))
    }
    assert through == DOORS[library]


def test_help_and_checks_of_the_schema_load_no_heavy_library() -> None:
    program = (
        "import sys, json, scorer.cli.main, scorer.database.schema, scorer.database.store.runs, scorer.jobs.job; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(ran.stdout)}
    assert "sqlalchemy" in loaded
    assert not loaded & {"alembic", "great_expectations", "pandas", "sklearn", "scipy", "joblib", "pyarrow", "rich"}


def strings(path: Path) -> Iterator[str]:
    """Every text in the file that is not a docstring; of an f-string, what stands around its values."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def test_sql_is_recognised() -> None:
    for text in (
        "SELECT 1",
        "\n  WITH x AS (",
        "-- why\nINSERT INTO t",
        "GRANT a TO b",
        "SET ROLE x",
        "CREATE\nTABLE t",
    ):
        assert SQL.match(text), text
    for text in ("SELECTED", "Set the home", "Do all of it", "DO", "Create it"):
        assert not SQL.match(text), text


@pytest.mark.parametrize("module", MODULES)
def test_no_sql_in_python(module: str) -> None:
    found = {(module, text) for text in strings(FILES[module]) if SQL.match(text)}
    assert not found


def log_calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"say", "log.say"} or re.fullmatch(
                r"(?:.*\.)?_?log(?:ger|ging)?\.(?:debug|info|warning|error|exception|critical|log)", called
            ):
                yield node


def put_together(node: ast.expr) -> bool:
    """Whether a text is put together before the log is asked whether it wants it."""
    return any(
        isinstance(part, ast.JoinedStr)
        or (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mod | ast.Add))
        or (isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "format")
        for part in ast.walk(node)
    )


def test_log_calls_are_an_event_and_fields() -> None:
    seen = 0
    for module in MODULES:
        if module == "log.logger":
            continue  # `say` itself hands the event on
        for call in log_calls(FILES[module]):
            seen += 1
            assert ast.unparse(call.func) == "say", f"{module}:{call.lineno} logs without say()"
            assert re.fullmatch("events[.][A-Z_]+", ast.unparse(call.args[1])), f"{module}:{call.lineno} names no event"
            assert len(call.args) == 2
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                assert not put_together(argument), f"{module}:{call.lineno} puts its text together"
    assert seen > 5


def test_only_the_room_of_tasks_asks_which_task_a_job_has() -> None:
    """Elsewhere a member of Task is a key of a table at most, never what a branch is taken by."""
    for module in MODULES:
        if module.startswith("tasks."):
            continue
        for node in ast.walk(tree_of(FILES[module])):
            asked = isinstance(node, ast.Compare | ast.match_case) and re.search(r"\bTask\.[A-Z]", ast.unparse(node))
            assert not asked, f"{module}:{getattr(node, 'lineno', '?')} asks which task a job has"


def test_nothing_is_printed_past_the_command_line() -> None:
    for module in MODULES:
        called = [ast.unparse(node.func) for node in ast.walk(tree_of(FILES[module])) if isinstance(node, ast.Call)]
        assert "print" not in called
        assert "sys.stdout.write" not in called
        if module not in COMMAND_LINE:
            assert "click.echo" not in called


# What no word of the engine holds: the shipped jobs' names, and words of their fields. Names that the engine itself has words of
# ("value", "move", "transaction") are left out: of those it may not be known which are meant.
WORDS_OF_JOBS = re.compile("sepsis|iit|pcos|churn|parcel|symptom", re.IGNORECASE)


def test_the_engine_knows_no_job() -> None:
    """But for the demo's default, which is the job that is enabled in a new installation."""
    found = [
        (module, line)
        for module in MODULES
        for line in FILES[module].read_text(encoding="utf-8").splitlines()
        if WORDS_OF_JOBS.search(line)
    ]
    ((module, line),) = found
    assert (module, line.partition("  #")[0]) == ("config", 'FIRST_JOB = "sepsis"')


def test_no_schema_names_a_job() -> None:
    for path in (*(ROOT / "migrations").rglob("*.sql"), *(ROOT / "sql" / "engine").rglob("*.sql")):
        assert not WORDS_OF_JOBS.search(path.read_text(encoding="utf-8")), named(path)


def tracked_files() -> list[Path]:
    """What git keeps, or, where this is no clone, what lies in the project's folders."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        folders = ("scorer", "migrations", "sql", "models", "expectations", "tests", "systemd")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_place_of_one_machine() -> None:
    place = re.compile(rb"(?<![\w.)}])/(?:wo" + rb"rk|fa" + rb"rm|root|home/\w+)/")
    for path in tracked_files():
        if path.suffix not in {".joblib", ".gz"}:
            assert not place.search(path.read_bytes()), named(path)


def test_every_module_says_what_it_is() -> None:
    for path in python_files():
        told = ast.get_docstring(tree_of(path))
        assert told, f"{named(path)} has no docstring"
        assert told.splitlines()[0].rstrip().endswith((".", ":", "?", ";")), (
            f"{named(path)}: its first line is no sentence"
        )


def test_nothing_has_a_name_that_says_nothing() -> None:
    for path in tracked_files():
        for part in path.relative_to(ROOT).parts:
            assert part.split(".")[0].lower() not in {
                "utils",
                "util",
                "helpers",
                "helper",
                "base",
                "manager",
                "core",
                "misc",
            }


def test_flags_are_passed_by_name() -> None:
    for module in MODULES:
        for node in ast.walk(tree_of(FILES[module])):
            if isinstance(node, ast.FunctionDef):
                flags = [
                    each.arg for each in node.args.args if each.annotation and ast.unparse(each.annotation) == "bool"
                ]
                assert not flags, f"{module}.{node.name} takes {flags} by position"


def test_values_are_frozen() -> None:
    for module in MODULES:
        for node in ast.walk(tree_of(FILES[module])):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for decorator in node.decorator_list:
                    text = ast.unparse(decorator)
                    if "dataclass" in text:
                        assert "frozen=True" in text, f"{module}.{node.name} can be changed"


def test_times_are_aware() -> None:
    for module in MODULES:
        for node in ast.walk(tree_of(FILES[module])):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"datetime.now", "datetime.fromtimestamp"}:
                arguments = [ast.unparse(each) for each in (*node.args, *(word.value for word in node.keywords))]
                assert "UTC" in arguments, f"{module}:{node.lineno}"
            assert not (isinstance(node, ast.Attribute) and node.attr in {"utcnow", "utcfromtimestamp"})


WITH_EXAMPLES = [module for module in MODULES if ">>> " in FILES[module].read_text(encoding="utf-8")]


def test_there_are_examples() -> None:
    assert len(WITH_EXAMPLES) > 5


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings_hold(module: str) -> None:
    ran = doctest.testmod(importlib.import_module(f"scorer.{module}"))
    assert ran.attempted
    assert not ran.failed


# The annotated settings


def settings_file() -> str:
    return (ROOT / "systemd" / "scorer.toml").read_text(encoding="utf-8")


def commented_options() -> dict[str, tuple[str, str]]:
    """By name, the value of each option as it stands behind its comment mark, and the prose above it."""
    found: dict[str, tuple[str, str]] = {}
    prose: list[str] = []
    in_options = False
    for line in settings_file().splitlines():
        option = re.fullmatch(r"#? ?([a-z_]+) = (.+)", line)
        if option:
            found[option[1]] = (option[2], " ".join(prose))
        elif line.startswith("# "):
            prose = [*([] if in_options else prose), line[2:]]
        else:
            prose = []
        in_options = bool(option)
    return found


def test_every_option_is_in_the_settings_file_in_order() -> None:
    assert list(commented_options()) == [option.name for option in fields(Settings)]


@pytest.mark.parametrize("option", [option.name for option in fields(Settings)])
def test_every_option_has_a_sentence_above_it(option: str) -> None:
    _, prose = commented_options()[option]
    assert re.search(r"[A-Z].*[.]", prose)


def test_the_settings_file_as_shipped_changes_nothing(tmp_path: Path) -> None:
    assert not tomllib.loads(settings_file())
    path = tmp_path / "scorer.toml"
    path.write_text(settings_file(), encoding="utf-8")
    assert load_settings(environment={"SCORER_CONFIG": str(path)}) == Settings()


def test_the_settings_file_tells_the_defaults(tmp_path: Path) -> None:
    told = "".join(f"{name} = {value}\n" for name, (value, _) in commented_options().items())
    path = tmp_path / "scorer.toml"
    path.write_text(told, encoding="utf-8")
    uncommented = load_settings(environment={"SCORER_CONFIG": str(path)})
    for option in fields(Settings):
        value: Any = getattr(uncommented, option.name)
        if option.default is None:
            assert value is not None
            assert "unset" in option.metadata["meaning"] or option.name in {"home", "jobs_dir"}
        else:
            assert value == option.default, option.name


def test_every_option_has_a_meaning() -> None:
    for option in fields(Settings):
        assert re.fullmatch(r"[a-z].*[^.]", option.metadata["meaning"])


def test_the_wheel_holds_every_room() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    packed = set(setup["options"]["packages"].split())
    assert packed >= {f"scorer.{room}" for room in ROOMS} | {"scorer"}


def test_the_shipped_folders_are_those_of_the_checkout() -> None:
    assert {path.name for path in shipped_root().iterdir()} >= {
        "sql",
        "expectations",
        "migrations",
        "models",
        "systemd",
    }


@pytest.mark.parametrize("module", [each for each in MODULES if each.startswith("database.store.")])
def test_a_row_becomes_a_value_by_the_names_of_its_columns(module: str) -> None:
    """By their order, two columns of one type that change places in a statement would change places in silence."""
    for node in ast.walk(tree_of(FILES[module])):
        by_order = isinstance(node, ast.Call) and any(isinstance(each, ast.Starred) for each in node.args)
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        assert not (by_order and called[:1].isupper()), f"{module}:{getattr(node, 'lineno', '?')} takes a row by order"
