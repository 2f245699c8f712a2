"""A job's concept map: which concepts are which code, and how each unit becomes the job's.

    code,loinc,concept_id,unit,unit_concept_id,factor,offset
    TEMP,8310-5,3020891,Cel,586323,1,0

A value in the unit times factor, plus offset, is one in the unit that the job has for the code. The lines stand in the job's statements
wherever these say {concepts}, so that they are part of the job's version: whoever changes the file has nothing else to do.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from scorer.errors import UserError

PLACE = "{concepts}"
COLUMNS = ("code", "loinc", "concept_id", "unit", "unit_concept_id", "factor", "offset")
_LARGEST = 2**31 - 1  # of an id: the columns of a CDM are integers
_OWN = 2_000_000_000  # ids from here on are a site's own
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the map: a concept in one of its units. `where` names the line."""

    where: str
    code: str
    loinc: str
    concept_id: int
    unit: str
    unit_concept_id: int
    factor: str
    offset: str

    @property
    def row(self) -> str:
        """The line as a row of VALUES: numbers as they were checked, texts in quotes."""
        code, loinc, unit = (text.replace("'", "''") for text in (self.code, self.loinc, self.unit))
        return (
            f"({self.concept_id}, {self.unit_concept_id}, '{code}', {self.factor}, {self.offset}, '{loinc}', '{unit}')"
        )


def filled(text: str, concepts: str) -> str:
    """A statement's text with the lines of the map, as `read_concepts` gives them, in their place."""
    return text.replace(PLACE, concepts)


def read_concepts(text: str, *, codes: Collection[str], where: str) -> str:
    """The lines of a concept map, a CSV file, as rows of VALUES.

    Their columns are concept, unit's concept, code, factor, offset, LOINC code, unit.

    Raises UserError, with the line, where a column is missing, a code is none of `codes`, a concept has no unit, one unit twice or two
    codes, or a number is none.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = next(reader, [])
        if sorted(header) != sorted(COLUMNS):
            raise UserError(
                f"{where}, line 1: the columns must be {', '.join(COLUMNS)}; there are: {', '.join(header) or 'none'}."
            )
        lines = [
            _line(
                dict(zip(header, cells, strict=False)),
                len(cells),
                codes=codes,
                where=f"{where}, line {reader.line_num}",
            )
            for cells in reader
            if cells
        ]
    except csv.Error as error:
        raise UserError(f"{where}, line {reader.line_num}, is not CSV: {error}.") from error
    if not lines:
        raise UserError(f"{where} has no line below its header; write one for each concept and unit.")
    _require_single(lines)
    return ",\n    ".join(line.row for line in lines)


def _line(cells: Mapping[str, str], count: int, *, codes: Collection[str], where: str) -> _Line:
    if count != len(COLUMNS):
        raise UserError(f"{where} has {count} fields; the header has {len(COLUMNS)}.")
    given = {name: cell.strip() for name, cell in cells.items()}
    if given["code"] not in codes:
        raise UserError(f'{where}: "{given["code"]}" is none of the codes of job.toml; there are: {", ".join(codes)}.')
    concept_id = _id(given["concept_id"], name="concept_id", least=1, where=where)
    concept = f"concept {concept_id} ({given['code']})"
    if not given["unit_concept_id"] or not given["unit"]:
        raise UserError(
            f"{where}: {concept} has no unit; write one in unit and unit_concept_id (0 for values that the CDM has without one)."
        )
    if (given["loinc"] or concept_id < _OWN) and not _is_loinc(given["loinc"]):
        raise UserError(
            f'{where}: "{given["loinc"]}" of {concept} is no LOINC code, such as 8867-4; its last digit proves the others.'
        )
    factor, offset = (_number(given[name], name=name, of=concept, where=where) for name in ("factor", "offset"))
    if Decimal(factor) <= 0:
        raise UserError(f"{where}: the factor {factor} of {concept} is not above 0.")
    unit_concept_id = _id(given["unit_concept_id"], name="unit_concept_id", least=0, where=where)
    return _Line(where, given["code"], given["loinc"], concept_id, given["unit"], unit_concept_id, factor, offset)


def _id(text: str, *, name: str, least: int, where: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", text) or not least <= int(text) <= _LARGEST:
        raise UserError(f'{where}: {name} is "{text}"; it must be a whole number from {least} to {_LARGEST}.')
    return int(text)


def _number(text: str, *, name: str, of: str, where: str) -> str:
    """The number as it is written into a statement."""
    if not _NUMBER.fullmatch(text):
        raise UserError(f'{where}: the {name} of {of} is "{text}"; it must be a number such as 1 or 0.01.')
    return text


def _is_loinc(text: str) -> bool:
    """Whether the text is a LOINC code, whose last digit is the check of the others.

    >>> _is_loinc("8867-4"), _is_loinc("8867-5"), _is_loinc("")
    (True, False, False)
    """
    if not re.fullmatch("[0-9]{1,7}-[0-9]", text):
        return False
    digits, check = text.split("-")
    odd, even = digits[::-2][::-1], digits[-2::-2][::-1]
    return (10 - sum(map(int, even + str(int(odd) * 2)))) % 10 == int(check)


def _require_single(lines: list[_Line]) -> None:
    """Raises UserError where a concept stands for two codes, or twice for one unit."""
    codes: dict[int, _Line] = {}
    units: dict[tuple[int, int], _Line] = {}
    for line in lines:
        first = codes.setdefault(line.concept_id, line)
        if (first.code, first.loinc) != (line.code, line.loinc):
            raise UserError(
                f"{line.where}: concept {line.concept_id} is {line.code} ({line.loinc}), and {first.code} ({first.loinc}) in {_of(first)}."
            )
        twin = units.setdefault((line.concept_id, line.unit_concept_id), line)
        if twin is not line:
            raise UserError(
                f"{line.where}: concept {line.concept_id} ({line.code}) has unit {line.unit_concept_id} in {_of(twin)} already."
            )


def _of(line: _Line) -> str:
    return line.where.rpartition(", ")[2]
