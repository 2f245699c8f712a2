"""An artefact as a fitted estimator, or one sentence that says what it is not."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import joblib
import numpy as np

from scorer.errors import UserError
from scorer.jobs.job import Task
from scorer.tasks.known import task_of
from scorer.types.arrays import Floats

_LONGEST = 200  # characters of a library's own words

# What other tools write, by the first bytes.
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive, as Keras and PyTorch write",
    b"\x89HDF": "HDF5, as Keras writes",
    b"<": "XML, as PMML is",
    b"{": "JSON, as XGBoost writes",
    b"[": "JSON",
    b"tree\n": "LightGBM's text",
    b"\x08": "a protocol buffer, as ONNX is",
}


def read_estimator(artefact: bytes, *, name: str, task: Task) -> Any:
    """Unpickle an artefact, called `name` in sentences.

    Raises UserError where it is no fitted estimator for the task, or cannot be read with the libraries here.
    """
    estimator = _unpickled(artefact, name=name)
    rules = task_of(task)
    kind = f"the class {estimator.__name__}" if isinstance(estimator, type) else f"a {type(estimator).__name__}"
    if isinstance(estimator, type) or not callable(getattr(estimator, rules.method, None)):
        raise UserError(
            f"{name} holds {kind}, which is no fitted estimator with {rules.method}, as the task {task} needs; save the estimator itself, "
            "with joblib.dump."
        )
    if rules.gives_probabilities and hasattr(estimator, "fit") and not hasattr(estimator, "classes_"):
        raise UserError(f"{name} holds {kind} without classes: it is not fitted; fit it, and save it with joblib.dump.")
    return estimator


def _unpickled(artefact: bytes, *, name: str) -> Any:
    if not artefact:
        raise UserError(f"{name} is empty; put the right one there, or save the estimator again with joblib.dump.")
    said: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            estimator = joblib.load(io.BytesIO(artefact))
    except UserError:
        raise
    except Exception as error:  # whatever the file's own code raises says that it is no artefact
        if _of_another_version(said) or isinstance(error, ImportError | AttributeError):
            raise _unlike(_of_another_version(said) or error, name=name) from error
        other = next((what for begin, what in _OTHER_FORMATS.items() if artefact.startswith(begin)), None)
        found = f"it is {other}" if other else f"reading it raised {type(error).__name__} ({_first_line(error)})"
        raise UserError(
            f"{name} is no estimator that joblib can read: {found}; save the fitted estimator with joblib.dump."
        ) from error
    if (warning := _of_another_version(said)) is not None:
        raise _unlike(warning, name=name)
    for each in said:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return estimator


def _of_another_version(said: Sequence[warnings.WarningMessage]) -> Warning | None:
    """scikit-learn's warning that it did not pickle this itself, if it was said.

    It is known by its name: its class takes a second to import, which an artefact without scikit-learn need not wait for.
    """
    of_versions = (each.message for each in said if each.category.__name__ == "InconsistentVersionWarning")
    return next((each for each in of_versions if isinstance(each, Warning)), None)


def _unlike(error: Exception, *, name: str) -> UserError:
    return UserError(
        f"{name} cannot be opened with the libraries of this machine: {_first_line(error)}; install those of its manifest."
    )


def _first_line(error: BaseException) -> str:
    text = " ".join((str(error) or "without a word").split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def event_column(estimator: Any, *, positive: object, name: str) -> int:
    """The column of predict_proba that is the probability of a binary job's event.

    It is that of the class `positive`, as the manifest names it; where that is None, of the class 1 beside 0, or True beside False. An
    object without classes gives the event second of two. Raises UserError where there is no such class, or the classes are others.
    """
    found = getattr(estimator, "classes_", None)
    if found is None:
        return 1
    classes = list(np.asarray(found).tolist())
    shown = ", ".join(map(str, classes))
    if positive is not None:
        same = [place for place, each in enumerate(classes) if each == positive or str(each) == str(positive)]
        if len(same) != 1:
            raise UserError(f'{name}: its manifest names the positive_class "{positive}"; the classes are {shown}.')
        return same[0]
    if len(classes) != 2 or not all(isinstance(each, int | float) for each in classes) or set(classes) != {0, 1}:  # noqa: PLR2004
        raise UserError(
            f"{name} knows the classes {shown}, where 0 and 1 are expected; name the event's in its manifest, as "
            f'"positive_class": "{classes[-1]}", or train it with labels of 0 and 1.'
        )
    return classes.index(1)


def require_columns(found: Floats, *, classes: int, name: str) -> None:
    """Check that probabilities (n, columns) have one column for each class.

    `classes` is 0 where the estimator names none. Raises UserError where there are more or fewer.
    """
    expected = classes or 2  # an object without classes gives the event second of two
    if found.shape[1] != expected:
        raise UserError(
            f"{name} gives {found.shape[1]} numbers for an entity, where one for each of {expected} classes is expected; save an "
            "estimator whose predict_proba does."
        )


def require_probabilities(score: Floats, *, name: str) -> None:
    """Check that scores (n,) are probabilities, or NaN.

    Raises UserError where one lies outside 0 to 1: log-odds, percent, or sums that are rounded up.
    """
    outside = int(((score < 0) | (score > 1)).sum())
    if outside:
        raise UserError(
            f"{name} gives numbers outside 0 to 1 for {outside:,} of {len(score):,} entities, which are no probabilities (log-odds, "
            "percent, or rounded up?); save an estimator whose predict_proba gives some, and roll back where it is in production."
        )


def tried(call: Callable[[], Floats], *, name: str) -> Floats:
    """Call the estimator for its golden vectors (n,). Raises UserError where it raises anything."""
    try:
        return call()
    except UserError:
        raise
    except Exception as error:  # whatever an estimator raises says that it cannot score
        raise UserError(
            f"{name} cannot score its golden vectors: {type(error).__name__} ({_first_line(error)}); is it fitted, and to the job's "
            "features?"
        ) from error


def classes_of(estimator: Any) -> Sequence[str] | None:
    """The names of the estimator's classes, in the order of its columns; None where it names none."""
    found = getattr(estimator, "classes_", None)
    return None if found is None else [str(each) for each in np.asarray(found).tolist()]
