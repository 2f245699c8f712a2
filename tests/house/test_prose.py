"""What is written about the code: first lines that fit, shapes of arrays, and what is raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "scorer"
FILES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}
LONGEST = 100  # characters of a first line
ARRAYS = re.compile(r"\b(Floats|Integers|Booleans)\b")
SHAPE = re.compile(r"\([a-z0-9_ +]+,[a-z0-9_ +,]*\)")

Function = ast.FunctionDef
Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def documented(module: str) -> Iterator[tuple[str, Documented, str]]:
    """Name, node and docstring of all that has one."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, Documented) and (told := ast.get_docstring(node)):
            yield getattr(node, "name", "(module)"), node, told


def public_functions(module: str) -> Iterator[tuple[Function, str]]:
    """The functions and methods that others may call, with their docstrings; those within functions are not among them."""

    def within(body: list[ast.stmt]) -> Iterator[Function]:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from within(node.body)
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield node

    yield from ((function, ast.get_docstring(function) or "") for function in within(tree_of(module).body))


def raised_by(function: Function) -> set[str]:
    """The names of the exceptions that a function itself raises."""
    within = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function]
    inner = {id(part) for node in within for part in ast.walk(node)}
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and node.exc is not None and id(node) not in inner:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = ast.unparse(raised).split(".")[-1]
            if re.fullmatch("[A-Z][A-Za-z]+", name):
                found.add(name)
    return found


def is_command(function: Function) -> bool:
    """Whether the function is a command, whose docstring is its help."""
    return any(re.search(r"\.command\b|\.group\b", ast.unparse(each)) for each in function.decorator_list)


@pytest.mark.parametrize("module", FILES)
def test_a_first_line_fits(module: str) -> None:
    long = [name for name, _, told in documented(module) if len(told.splitlines()[0]) > LONGEST]
    assert not long


@pytest.mark.parametrize("module", FILES)
def test_arrays_have_their_shape(module: str) -> None:
    """Each public function that takes or gives arrays says their shape, such as (n,) or (entities, features)."""
    untold = []
    for function, told in public_functions(module):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        annotations = [each.annotation for each in arguments if each.annotation] + [function.returns]
        if any(each is not None and ARRAYS.search(ast.unparse(each)) for each in annotations) and not SHAPE.search(
            told
        ):
            untold.append(function.name)
    assert not untold


@pytest.mark.parametrize("module", FILES)
def test_what_is_raised_is_told(module: str) -> None:
    """Each public function that raises something of ours says so: "Raises UserError where ..."."""
    untold = [
        (function.name, name)
        for function, told in public_functions(module)
        if not is_command(function)
        for name in raised_by(function)
        if not re.search(rf"[Rr]aises[^.]*\b{name}\b", told)
    ]
    assert not untold
