"""The hospital's tables that a job reads, as its statements name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from scorer.jobs.job import Job

_READS = ("due", "observations", "attributes", "requested")
_OURS = {"scorer", "reporting", "pg_temp", "pg_catalog", "information_schema"}
_TOKEN = re.compile(
    r"""(?P<passed>\s+|--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|(?P<dollar>\$\w*\$).*?(?P=dollar))"""
    r"""|(?P<quoted>"(?:[^"]|"")+")|(?P<word>[^\W\d]\w*)|(?P<other>.)""",
    re.DOTALL,
)


def source_tables(job: Job) -> tuple[tuple[str, str], ...]:
    """The tables that the job's statements read from, each as its schema and its name; ours left out.

    A name without a schema is PostgreSQL's own or the statement's: the search path of our sessions has no other schema.
    """
    return tables_of(job, _READS)


def tables_of(job: Job, statements: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The tables that these of the job's statements read from, as `source_tables` gives them."""
    found = {table for name in statements for table in _tables_in(job.statements.get(name, ""))}
    return tuple(sorted(table for table in found if table[0] not in _OURS))


def _tables_in(query: str) -> Iterator[tuple[str, str]]:
    """The tables after FROM and JOIN, each as its schema and its name.

    >>> list(_tables_in('SELECT extract(year FROM v.born) FROM public.visits AS v JOIN "Lab"."Results" ON true'))
    [('public', 'visits'), ('Lab', 'Results')]
    """
    tokens = list(_tokens(query))
    queries = [True]  # by open parenthesis, whether a query stands in it: only there FROM is followed by a table
    for place, sign in enumerate(tokens):
        if sign == "(":
            queries.append(tokens[place + 1 : place + 2] in (["select"], ["with"]))
        elif sign == ")" and len(queries) > 1:
            queries.pop()
        elif sign == "join" or (sign == "from" and queries[-1] and tokens[place - 1] != "distinct"):
            rest = tokens[place + 1 : place + 6]
            if rest[:1] in (["only"], ["lateral"]):
                rest = rest[1:]
            match rest:
                case [schema, ".", name, "(", *_] if _is_name(schema) and _is_name(name):
                    pass  # a function
                case [schema, ".", name, *_] if _is_name(schema) and _is_name(name):
                    yield _folded(schema), _folded(name)


def _tokens(query: str) -> Iterator[str]:
    """The words, quoted names and signs of a query; words that are not quoted in small letters."""
    for match in _TOKEN.finditer(query):
        if match["passed"] is None:
            yield match[0].lower() if match["word"] else match[0]


def _is_name(token: str) -> bool:
    return token[0] == '"' or token[0].isalpha() or token[0] == "_"


def _folded(token: str) -> str:
    """The name as the catalog has it."""
    return token[1:-1].replace('""', '"') if token[0] == '"' else token
