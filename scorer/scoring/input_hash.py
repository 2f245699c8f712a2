"""A hash of what was read of each entity: a score says what it rests on, and a change is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.types.arrays import Attributes, Integers, Observations

# Bits that no double from the database has (a signalling NaN), so that NULL and NaN differ.
_NULL = np.int64(0x7FF4_0000_0000_0001)
_REPEATED = np.int64(
    0x7FF4_0000_0000_0002
)  # turns bits of an entity's attributes, where they came in more rows than one
_AT_ONCE = 8192
_RANK = np.int64(0x1E37_79B9_7F4A_7C15)  # an odd number of many bits, so that ranks and codes do not meet


def input_hashes(observations: Observations, attributes: Attributes) -> list[bytes]:
    """SHA-256 of the observations and attributes of each entity, in order.

    Two reads of an entity give the same hash if and only if each column has the same values, whatever other entities are read and in
    whatever order the database returns the columns. `observation_id` is left out: it says nothing about the patient. Of when rows were
    recorded, their `rank` counts alone: which of two values of one moment is the later.
    """
    columns = [
        observations.time,
        _ranked(_text_hashes(observations.codes)[observations.code], observations.rank),
        np.where(observations.value_is_null, _NULL, _bits_of(observations, "observation_value", observations.value)),
        _bits_of(observations, "reference_range_min", observations.low),
        _bits_of(observations, "reference_range_max", observations.high),
        *(_any_bits(observations.extras[name]) for name in sorted(observations.extras)),
    ]
    entities = len(observations.keys)
    ends = np.searchsorted(observations.position, np.arange(entities), side="right")
    starts = np.concatenate([[0], ends[:-1]]) if entities else ends
    attribute_rows = _attribute_rows(attributes, entities=entities)
    row, attribute_row = len(columns) * 8, attribute_rows.shape[1] * attribute_rows.itemsize
    known = attribute_rows.tobytes()
    hashes: list[bytes] = []
    while len(hashes) < entities:
        # So many rows at a time that they stay in the processor's cache.
        first, begin = len(hashes), int(starts[len(hashes)])
        last = max(first + 1, int(np.searchsorted(ends, begin + _AT_ONCE, side="right")))
        rows = np.ascontiguousarray(np.column_stack([column[begin : ends[last - 1]] for column in columns]))
        observed = rows.reshape(-1).view(np.uint8).data
        for entity in range(first, last):
            hashed = hashlib.sha256(observed[(int(starts[entity]) - begin) * row : (int(ends[entity]) - begin) * row])
            hashed.update(known[entity * attribute_row : (entity + 1) * attribute_row])
            hashes.append(hashed.digest())
    return hashes


def _ranked(codes: Integers, rank: Integers | None) -> Integers:
    """The hash of each row's code (n,), another one for each rank; that of rank 0 is the code's own."""
    return codes if rank is None else codes ^ (rank * _RANK)


def _attribute_rows(attributes: Attributes, *, entities: int) -> Integers:
    columns = [
        *(_bits_of(attributes, name, attributes.numbers[name]) for name in sorted(attributes.numbers)),
        *(attributes.times[name] for name in sorted(attributes.times)),
        *(_any_bits(attributes.texts[name]) for name in sorted(attributes.texts)),
    ]
    if columns and attributes.repeated is not None:
        columns[0] = np.where(attributes.repeated, columns[0] ^ _REPEATED, columns[0])
    return np.ascontiguousarray(np.column_stack(columns)) if columns else np.empty((entities, 0), np.int64)


def _bits_of(rows: Observations | Attributes, name: str, values: npt.NDArray[np.float64]) -> Integers:
    """The bits of a column of numbers, and a hash of the text where that stood in a number's place."""
    unread = rows.unread.get(name)
    if unread is None:
        return _bits(values)
    return np.where([text is not None for text in unread], _any_bits(unread), _bits(values))


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
    texts = [value if type(value) is str else _text(value) for value in values]
    distinct = list(dict.fromkeys(texts))
    hashes = dict(zip(distinct, _text_hashes(distinct).tolist(), strict=False))
    return np.array([hashes[text] for text in texts], dtype=np.int64)


def _text(value: object) -> str:
    return "\x00null" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN alone differs from itself


def _text_hashes(texts: Sequence[str]) -> Integers:
    """A hash of eight bytes for each text, (n + 1,); the last, which index -1 finds, is that of NULL."""
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in (*texts, "\x00null")]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
