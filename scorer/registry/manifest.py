"""The manifest of a model version: reading it, and finding the folder that holds it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.jobs.job import Task
from scorer.jobs.publication import Limit
from scorer.types.arrays import Floats, Texts

ARTEFACT = "pipeline.joblib"
MANIFEST = "manifest.json"
_LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib", "lightgbm")
_REQUIRED = ("job", "model_version", "task", "features", "sha256", "libraries", "meaning", "score_quantiles", "metrics")

_SHOWN_DIGITS = 8  # of a client's hash

_KINDS = {
    "job": str,
    "model_version": str,
    "sha256": str,
    "features": list,
    "libraries": dict,
    "score_quantiles": list,
    "metrics": dict,
    "training": dict,
}
_IN_JSON = {str: "text", list: "list", dict: "object"}


@dataclass(frozen=True, slots=True)
class Golden:
    """Golden vectors: `inputs` (n, f), NaN for missing, and the `scores` (n,) that they had at training.

    `facility` (n,) is what each belonged to; None where the job names no facility.
    """

    inputs: Floats
    scores: Floats
    facility: Texts | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest.json; `content` is all of it, for the registry."""

    job: str
    model_version: str
    task: Task
    features: tuple[str, ...]
    sha256: str
    libraries: Mapping[str, str]
    meaning: int
    score_quantiles: Floats
    interval: Mapping[str, float] | None
    golden: Golden | None
    content: Mapping[str, Any]

    @property
    def facilities(self) -> Mapping[str, Mapping[str, Any]]:
        """The facilities that the model was made on, with what is known of each; empty where it knows none."""
        found: Mapping[str, Mapping[str, Any]] = self.content.get("facilities", {})
        return found

    @property
    def calibrations(self) -> dict[str, Mapping[str, Any]]:
        """The calibration of each facility that has one of its own."""
        return {name: each["calibration"] for name, each in self.facilities.items() if each.get("calibration")}

    @property
    def alarm_threshold(self) -> Limit | None:
        """Above which score an alarm was worth most at training; None where the job has no [utility]."""
        everywhere = self.content.get("alarm_threshold")
        if everywhere is None:
            return None
        own = {name: each.get("alarm_threshold") for name, each in self.facilities.items()}
        return Limit(float(everywhere), {name: float(value) for name, value in own.items() if value is not None})


def mark_of(client: str) -> str:
    """The first digits of a client's SHA-256, which a manifest keeps of the clients it was trained on.

    Enough to count clients by, too little to identify one.
    """
    return hashlib.sha256(client.encode()).hexdigest()[:_SHOWN_DIGITS]


def seen_clients(content: Mapping[str, Any], clients: Iterable[Any]) -> list[bool] | None:
    """Whether a model was trained on each of `clients`; None where its manifest does not say."""
    seen = content.get("training", {}).get("clients_seen")
    if seen is None:
        return None
    known = frozenset(seen)
    return [mark_of(str(client)) in known for client in clients]


def libraries() -> dict[str, str]:
    """The versions here of Python and of the libraries that a fitted estimator depends on."""
    return {"python": platform.python_version(), **_versions()}


@cache
def _versions() -> dict[str, str]:
    """Read once: it is 10 ms, and what a process has imported stays as it is."""
    return {name: version(name) for name in _LIBRARIES}


def unlike_libraries(fitted: Mapping[str, str]) -> list[str]:
    """List the libraries of other versions than those here, such as "numpy 2.4.6 (here 2.5.0)".

    Of Python only the minor version counts.

    >>> unlike_libraries({"numpy": "0.1"}) == [f"numpy 0.1 (here {np.__version__})"]
    True
    """
    here = libraries()

    def counted(name: str, number: str) -> str:
        return ".".join(number.split(".")[:2]) if name == "python" else number

    return [
        f"{name} {number} (here {here.get(name, 'none')})"
        for name, number in fitted.items()
        if counted(name, number) != counted(name, here.get(name, "none"))
    ]


def find_version(
    job: str, model_version: str, *, folders: Iterable[Path], known: str = "is registered, but", cure: str = "back"
) -> Path:
    """Find the folder of a version: the first of `folders`/<job>/<version> that has a manifest.

    Raises UserError where none has; it says that the version is `known`, and that its folder is to be put there or `cure`.
    """
    tried = list(dict.fromkeys(folder / job / model_version for folder in folders))
    for path in tried:
        if (path / MANIFEST).exists():
            return path
    places = " or ".join(str(path) for path in tried)
    raise UserError(f"Model {model_version} of {job} {known} {MANIFEST} is not in {places}; put its folder {cure}.")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a model version. Raises UserError where it is missing, broken or incomplete."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The manifest {path} cannot be read: {error}.") from error
    return manifest_of(content, where=f"The manifest {path}")


def _refused(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which no JSON has (null is for what is missing)")


def manifest_of(content: Any, *, where: str) -> Manifest:
    """Read a manifest from parsed JSON. Raises UserError, beginning with `where`, where it is none."""
    if not isinstance(content, dict):
        raise UserError(f"{where} is not a JSON object; put the right one back.")
    missing = [key for key in _REQUIRED if key not in content]
    if missing:
        raise UserError(f'{where} has no "{missing[0]}"; put the right one back.')
    for key, kind in _KINDS.items():
        if not isinstance(content.get(key, kind()), kind):
            raise UserError(
                f'{where} holds what no manifest does: "{key}" is no {_IN_JSON[kind]}; put the right one back.'
            )
    try:
        return Manifest(
            job=content["job"],
            model_version=content["model_version"],
            task=Task(content["task"]),
            features=tuple(content["features"]),
            sha256=content["sha256"],
            libraries={name: str(number) for name, number in content["libraries"].items()},
            meaning=content["meaning"],
            score_quantiles=np.asarray(content["score_quantiles"], dtype=np.float64),
            interval=content.get("interval"),
            golden=_golden(content.get("golden"), width=len(content["features"])),
            content=content,
        )
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{where} holds what no manifest does: {error}; put the right one back.") from error


def _golden(content: Any, *, width: int) -> Golden | None:
    if content is None:
        return None
    inputs = np.asarray(content["inputs"], dtype=np.float64)  # null becomes NaN
    scores = np.asarray(content["scores"], dtype=np.float64)
    if not len(scores) or scores.ndim != 1 or inputs.shape != (len(scores), width):
        raise ValueError(f"golden vectors of the shape {inputs.shape} with {scores.shape} scores, for {width} features")
    facility = content.get("facility")
    if facility is not None and len(facility) != len(scores):
        raise ValueError(f"{len(scores)} golden vectors of {len(facility)} facilities")
    return Golden(inputs=inputs, scores=scores, facility=None if facility is None else np.array(facility, dtype=object))
