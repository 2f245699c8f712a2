"""What files write in several ways: numbers, dates, empty fields, and times without a zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from scorer.errors import UserError


class FieldError(ValueError):
    """Why a column cannot hold a field, to follow the column's name."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How numbers and dates are written, beside 93.5 and 2026-01-15.

    `decimal`: the decimal sign. `date`: the order of day, month and year, and what stands between them; None where there
    is no other way.
    """

    decimal: str
    date: re.Pattern[str] | None
    meaning: str


def _numeric_date(first: str, second: str, sign: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<{first}>[0-9]{{1,2}}){sign}(?P<{second}>[0-9]{{1,2}}){sign}(?P<year>[0-9]{{4}})")


DIALECTS: Mapping[str, Dialect] = {
    "iso": Dialect(".", None, "93.5 and 2026-01-15"),
    "de": Dialect(",", _numeric_date("day", "month", "[.]"), "93,5 and 15.01.2026"),
    "fr": Dialect(",", _numeric_date("day", "month", "/"), "93,5 and 15/01/2026"),
    "gb": Dialect(".", _numeric_date("day", "month", "/"), "1,234.5 and 15/01/2026"),
    "us": Dialect(".", _numeric_date("month", "day", "/"), "1,234.5 and 01/15/2026"),
}


@dataclass(frozen=True, slots=True)
class Writing:
    """How the files of a folder are written, as far as their text does not say it.

    `zone`: whose clock times without a zone show; None: not known. `null_words` stand for an empty field, in any column.
    """

    dialect: str = "iso"
    zone: ZoneInfo | None = None
    null_words: frozenset[str] = frozenset()


PLAIN = Writing()


def zone_named(name: str) -> ZoneInfo:
    """The time zone of that name. Raises UserError where there is none.

    >>> zone_named("Europe/Berlin").key
    'Europe/Berlin'
    """
    if name not in available_timezones():
        raise UserError(f'--timezone: "{name}" is no time zone; write one such as Europe/Berlin, or UTC.')
    return ZoneInfo(name)


_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)|nan", re.IGNORECASE)
_GROUPED = {
    ",": re.compile(
        r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?|[+-]?[1-9][0-9]{0,2}(?:[ \u00a0\u202f'][0-9]{3})+(?:,[0-9]+)?"
    ),
    ".": re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?"),
}
_UNDECIDED = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")


def plain_number(text: str, dialect: str) -> str:
    """The number as PostgreSQL reads it, with every digit.

    Raises FieldError where it is none, or could be two: in a dialect whose decimal sign is the comma, one point before three
    digits could divide thousands or be a decimal point; in ISO's, any comma could.

    >>> plain_number("93,5", "de"), plain_number("1.234,5", "de"), plain_number("93.5", "de"), plain_number("1,234", "us")
    ('93.5', '1234.5', '93.5', '1234')
    """
    decimal = DIALECTS[dialect].decimal
    if decimal == "," and _UNDECIDED.fullmatch(text):
        raise FieldError("has one point, before three digits, which could divide thousands or be a decimal point")
    if dialect != "iso" and _GROUPED[decimal].fullmatch(text):
        text = re.sub(rf"[^0-9+\-{decimal}]", "", text)
    if decimal == "," and "." not in text:
        text = text.replace(",", ".", 1)
    if _NUMBER.fullmatch(text):
        return text
    if re.fullmatch(r"[+-]?[0-9.,]*,[0-9.,]*", text):
        raise FieldError(_OF_COMMAS[dialect])
    raise FieldError("is not a number")


_OF_COMMAS = {
    "iso": "has a comma; a decimal comma is read with --dialect de or fr, one that divides thousands with gb or us",
    **dict.fromkeys(("de", "fr", "gb", "us"), "has commas where its dialect has none"),
}

_ISO_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_ISO_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
_TIME = _ISO_TIME.replace("{2}", "{1,2}", 1)
_NOON = 12
_HALF = r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
_ZONE = r" ?(?P<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)?"
_ISO = re.compile(rf"{_ISO_DATE.pattern}(?:[Tt ]{_ISO_TIME}{_ZONE})?")
_OTHER = {
    name: re.compile(rf"{dialect.date.pattern}(?:(?:, ?| +|[Tt]){_TIME}{_HALF}{_ZONE})?")
    for name, dialect in DIALECTS.items()
    if dialect.date is not None
}


def plain_time(text: str, dialect: str) -> datetime:
    """The time as it is written, aware where its zone is; midnight where it has no time of day.

    Raises FieldError where it is written in another way, or does not exist.

    >>> plain_time("15.01.2026 5:30", "de"), plain_time("2026-01-15T05:30:00+01:00", "de").isoformat()
    (datetime.datetime(2026, 1, 15, 5, 30), '2026-01-15T05:30:00+01:00')
    """
    match = _ISO.fullmatch(text) or (_OTHER[dialect].fullmatch(text) if dialect in _OTHER else None)
    if match is None:
        raise FieldError(_not_a_time(text, dialect))
    parts = match.groupdict()
    hour = int(parts["hour"] or 0)
    if parts.get("half"):
        if not 1 <= hour <= _NOON:
            raise FieldError("is not a time that exists")
        hour = hour % _NOON + _NOON * (parts["half"] in "Pp")
    zone = (parts["zone"] or "").replace("UTC", "Z").replace("GMT", "Z").upper()
    clock = f"{hour:02}:{parts['minute'] or '00'}:{parts['second'] or '00'}.{(parts['fraction'] or '0')[:6]:0<6}"
    try:
        return datetime.fromisoformat(f"{parts['year']}-{int(parts['month']):02}-{int(parts['day']):02}T{clock}{zone}")
    except ValueError as error:
        raise FieldError("is not a time that exists") from error


def _not_a_time(text: str, dialect: str) -> str:
    if dialect == "iso":
        for names, other in (("de", "de"), ("fr or gb (day first) or us (month first)", "us")):
            if _OTHER[other].fullmatch(text):
                return f"is not a time as ISO 8601 writes it; it is read with --dialect {names}"
        return "is not a time as ISO 8601 writes it"
    return f"is not a time as 2026-01-15 05:30 or, in dialect {dialect}, {DIALECTS[dialect].meaning.split()[-1]} 05:30"


def in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which clocks in `zone` show the naive `moment`.

    Raises FieldError where they show it twice, or never.
    """
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    if before < after:
        raise FieldError(f"falls into the time that clocks in {zone.key} leave out when they are put forward")
    if before > after:
        raise FieldError(f"falls into the time that clocks in {zone.key} show twice; write its offset behind it")
    return first


# What tools write where there is no value. In a column of text those of the first line are refused, since no one means
# the word itself; those of the second may be meant (NA is sodium), so they are loaded as they stand, and told.
_NEVER_MEANT = frozenset({"null", r"\n", "(null)", "<null>", "[null]", "#n/a", "#null!", "<na>", "nat"})
_MAY_BE_MEANT = frozenset({"na", "n/a", "n.a.", "none", "nil", "nan", "-", "--", ".", "?"})


def is_null_word(text: str) -> bool:
    """Whether a tool may have written this for no value, in a column of numbers or times."""
    word = text.strip().lower()
    return not word or word in _NEVER_MEANT or word in _MAY_BE_MEANT


def is_never_meant(text: str) -> bool:
    """Whether a tool wrote this for no value even in a column of text."""
    return text.strip().lower() in _NEVER_MEANT


def may_be_meant(text: str) -> bool:
    """Whether this, in a column of text, is a word or what a tool writes for no value."""
    return text.strip().lower() in _MAY_BE_MEANT
