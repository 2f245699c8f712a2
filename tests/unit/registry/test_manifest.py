"""The manifest of a model version: read, refused, and found."""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.job import MEANING, Task
from scorer.registry.manifest import MANIFEST, find_version, libraries, manifest_of, read_manifest, unlike_libraries

CONTENT = {
    "job": "job",
    "model_version": "one",
    "task": "binary",
    "features": ["a", "b", "c"],
    "sha256": "0" * 64,
    "libraries": libraries(),
    "meaning": MEANING,
    "score_quantiles": [0.0, 1.0],
    "metrics": {},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a version that has its manifest."""
    made = tmp_path / "models" / "job" / "one"
    made.mkdir(parents=True)
    (made / MANIFEST).write_text(json.dumps(CONTENT | {"remark": "kept"}), encoding="utf-8")
    return made


def refusal(content: Any) -> str:
    """The sentence with which a manifest is refused."""
    with pytest.raises(UserError) as raised:
        manifest_of(content, where="The manifest")
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_manifest_is_given_as_it_stands(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest.job, manifest.model_version, manifest.features) == ("job", "one", ("a", "b", "c"))
    assert (manifest.task, manifest.golden, manifest.interval) == (Task.BINARY, None, None)
    assert manifest.content["remark"] == "kept"


@pytest.mark.parametrize("key", CONTENT)
def test_a_manifest_that_lacks_a_key_is_refused(key: str) -> None:
    lacking = {name: value for name, value in CONTENT.items() if name != key}
    assert refusal(lacking) == f'The manifest has no "{key}"; put the right one back.'


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", None])
def test_a_broken_manifest_is_refused(folder: Path, content: bytes | None) -> None:
    if content is None:
        (folder / MANIFEST).unlink()
    else:
        (folder / MANIFEST).write_bytes(content)
    with pytest.raises(UserError, match=rf"^The manifest {re.escape(str(folder / MANIFEST))} cannot be read: "):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([CONTENT], "The manifest is not a JSON object; put the right one back."),
        (CONTENT | {"task": "guess"}, "The manifest holds what no manifest does: 'guess' is not a valid Task; put"),
        (CONTENT | {"features": 5}, "The manifest holds what no manifest does: "),
        (CONTENT | {"golden": {"inputs": []}}, "The manifest holds what no manifest does: 'scores'; put"),
        (
            CONTENT | {"golden": {"inputs": [[1.0]], "scores": [0.5]}},
            "The manifest holds what no manifest does: golden",
        ),
        (
            CONTENT | {"golden": {"inputs": [], "scores": []}},
            "The manifest holds what no manifest does: golden vectors",
        ),
    ],
)
def test_what_no_manifest_holds_is_refused(content: Any, sentence: str) -> None:
    assert refusal(content).startswith(sentence)


def test_a_missing_value_of_a_golden_vector_is_nan() -> None:
    golden = manifest_of(
        CONTENT | {"golden": {"inputs": [[1.0, None, 3.0]], "scores": [None]}}, where="The manifest"
    ).golden
    assert golden is not None
    np.testing.assert_array_equal(golden.inputs, [[1.0, np.nan, 3.0]])
    np.testing.assert_array_equal(golden.scores, [np.nan])


def test_a_version_is_found_in_the_first_folder_that_has_it(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    assert find_version("job", "one", folders=(empty, folder.parents[1])) == folder
    with pytest.raises(UserError, match=rf"Model two of job is registered, but {MANIFEST} is not in .* or .*; put"):
        find_version("job", "two", folders=(empty, folder.parents[1]))
    with pytest.raises(
        UserError, match=rf"^Model two of job is none: {MANIFEST} is not in {empty}/job/two; put its folder there\.$"
    ):
        find_version("job", "two", folders=(empty, empty), known="is none:", cure="there")


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"metrics": NaN}', "\ufeff{}", '"text"'])
def test_what_is_no_json_object_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"^The manifest ") as refused:
        read_manifest(tmp_path)
    assert "\n" not in str(refused.value)


def test_other_libraries_are_named_with_both_versions() -> None:
    assert unlike_libraries(libraries()) == []
    assert unlike_libraries({"numpy": "0.1", "missing": "1"}) == [
        f"numpy 0.1 (here {np.__version__})",
        "missing 1 (here none)",
    ]


def test_of_python_the_minor_version_counts() -> None:
    minor = ".".join(platform.python_version().split(".")[:2])
    assert unlike_libraries({"python": f"{minor}.999"}) == []
    assert unlike_libraries({"python": "3.1.4"}) == [f"python 3.1.4 (here {platform.python_version()})"]
