"""A hash of what was read of each entity, so that a score can say what it rests on, and a change of it be noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.types.arrays import Attributes, Integers, Observations

# Bits that no double from the database has (a signalling NaN), so that NULL and NaN differ.
_NULL = np.int64(0x7FF4_0000_0000_0001)


def input_hashes(observations: Observations, attributes: Attributes) -> list[bytes]:
    """SHA-256 of each entity's observations and attributes as read; independent of its neighbours and of the database's order.

    Two reads give the same hash if and only if each column has the same values, `observation_id` apart, which tells nothing about the
    patient.
    """
    columns = [
        observations.time,
        _text_hashes(observations.codes)[observations.code],
        np.where(observations.value_is_null, _NULL, _bits(observations.value)),
        _bits(observations.low),
        _bits(observations.high),
        *(_any_bits(observations.extras[name]) for name in sorted(observations.extras)),
    ]
    rows = np.ascontiguousarray(np.column_stack(columns)) if len(observations) else np.empty((0, 1), np.int64)
    entities = len(observations.keys)
    ends = np.searchsorted(observations.position, np.arange(entities), side="right")
    starts = np.concatenate([[0], ends[:-1]]) if entities else ends
    known = _attribute_rows(attributes, entities=entities)
    row, attributes_row = rows.shape[1] * rows.itemsize, known.shape[1] * known.itemsize
    read, beside = rows.reshape(-1).view(np.uint8).data, known.tobytes()
    hashes = []
    for entity, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        hashed = hashlib.sha256(read[start * row : end * row])
        hashed.update(beside[entity * attributes_row : (entity + 1) * attributes_row])
        hashes.append(hashed.digest())
    return hashes


def _attribute_rows(attributes: Attributes, *, entities: int) -> Integers:
    columns = [
        *(_bits(attributes.numbers[name]) for name in sorted(attributes.numbers)),
        *(attributes.times[name] for name in sorted(attributes.times)),
        *(_any_bits(attributes.texts[name]) for name in sorted(attributes.texts)),
    ]
    return np.ascontiguousarray(np.column_stack(columns)) if columns else np.empty((entities, 0), np.int64)


def _bits(values: npt.NDArray[np.float64]) -> Integers:
    return np.ascontiguousarray(values, dtype=np.float64).view(np.int64)


def _any_bits(values: npt.NDArray[Any]) -> Integers:
    if values.dtype == np.float16:  # true, false or NULL
        return np.where(np.isnan(values), _NULL, np.nan_to_num(values).astype(np.int64))
    if values.dtype.kind == "f":
        return _bits(values)
    if values.dtype.kind in "biu":
        return values.astype(np.int64)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]").astype(np.int64)
    told = [value if type(value) is str else _told(value) for value in values]
    distinct = list(dict.fromkeys(told))
    hashes = dict(zip(distinct, _text_hashes(distinct).tolist(), strict=False))
    return np.array([hashes[text] for text in told], dtype=np.int64)


def _told(value: object) -> str:
    return "\x00null" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN alone differs from itself


def _text_hashes(texts: Sequence[str]) -> Integers:
    """Eight bytes for each text, and at the end, where index -1 finds it, for none."""
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in (*texts, "\x00null")]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
