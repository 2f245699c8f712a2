"""Rules evaluated in their compiled form, where it is proved equivalent, or by Great Expectations.

What was proved is recorded under a hash of all that it depends on, so that a process that finds the record need not import Great
Expectations, which takes seconds and 220 MB, only to prove the same again. The proofs of the shipped suites are shipped with them,
`expectations/proofs.json`; those of other suites, types and libraries are a host's own. A record that is missing or cannot be read costs a
proof.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from scorer.config import shipped_root
from scorer.log import events
from scorer.log.logger import say
from scorer.scoring.validation.columns import Columns
from scorer.scoring.validation.compiled import CompiledRule, compile_rule, holds_numbers
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rules import Rule, RuleOutcome

_log = logging.getLogger(__name__)
_LOCK = threading.Lock()
# A proof holds for these modules of ours, these libraries, this Python and this kind of machine alone.
_MODULES = ("arguments", "columns", "compiled", "equivalence", "frames", "gx", "rules")
_LIBRARIES = ("great-expectations", "numpy", "pandas")
_UNDERSTOOD = ("understood",)
PROOFS = "proofs.json"  # of expectations/: what was proved of the shipped suites, and what with
_proved: dict[str, tuple[str, ...]] = {}


class RuleEngine:
    """Evaluates the rules of one suite; any number of threads may use it at once.

    `where` names the suite and its job, `compiled` says whether compiled forms may be used, and `records` is the folder of what this host
    proved before; where it is None, everything is proved, the shipped suites too. Raises UserError where Great Expectations does not
    understand a rule.
    """

    def __init__(self, rules: Sequence[Rule], *, where: str, compiled: bool, records: Path | None) -> None:
        self._rules = rules
        self._where = where
        self._compiled = compiled
        self._records = records
        self._suite = f"{where} {_hash_of(rules)}"
        self._forms: dict[tuple[str, ...], Mapping[str, CompiledRule]] = {}
        if not compiled or self._recorded(_UNDERSTOOD) is None:
            self._require_understood()

    def prepare(self, frame: Frame) -> None:
        """Prove the compiled forms for columns of the types that `frame` has, if that is not done yet."""
        self._usable_forms(frame)

    def evaluate(self, rules: Sequence[Rule], frame: Frame) -> dict[str, RuleOutcome]:
        """Evaluate the rules on `frame`. Returns their outcomes by name.

        Raises UserError where a rule cannot be evaluated.
        """
        forms = self._usable_forms(frame)
        columns = Columns(frame)
        outcomes = {rule.name: forms[rule.name](columns) for rule in rules if rule.name in forms}
        left = [rule for rule in rules if rule.name not in forms]
        if left:
            from scorer.scoring.validation import gx

            outcomes |= gx.evaluate(left, frame, where=self._where, suite=self._suite)
        return outcomes

    def _require_understood(self) -> None:
        from scorer.scoring.validation import gx

        gx.require_understood(self._rules, where=self._where)
        self._record(_UNDERSTOOD, [])

    def _usable_forms(self, frame: Frame) -> Mapping[str, CompiledRule]:
        """The compiled forms that are proved for columns of such types, by the rule's name."""
        if not self._compiled:
            return {}
        kinds = tuple(frame[name].dtype.str for rule in self._rules for name in rule.columns)
        if kinds not in self._forms:
            with _LOCK:
                self._forms[kinds] = self._proved_forms(frame, kinds=kinds)
        return self._forms[kinds]

    def _proved_forms(self, frame: Frame, *, kinds: tuple[str, ...]) -> Mapping[str, CompiledRule]:
        forms = {
            rule.name: form
            for rule in self._rules
            if holds_numbers(frame, rule.columns) and (form := compile_rule(rule)) is not None
        }
        names = self._recorded(kinds)
        if names is None:
            names = self._prove([rule for rule in self._rules if rule.name in forms], frame)
            self._record(kinds, names, lasting=len(names) == len(self._rules))
        return {name: forms[name] for name in names if name in forms}

    def _prove(self, rules: Sequence[Rule], frame: Frame) -> list[str]:
        from scorer.scoring.validation import equivalence

        kinds = {name: frame[name].dtype for rule in rules for name in rule.columns}
        differing = equivalence.find_differing(rules, kinds, where=self._where, suite=self._suite) if rules else set()
        for name in sorted(differing):
            say(_log, events.RULE_LEFT, rule=name, suite=self._where)
        return [rule.name for rule in rules if rule.name not in differing]

    def _recorded(self, kinds: tuple[str, ...]) -> Sequence[str] | None:
        """The rules whose forms were proved for columns of these types; None where there is no record."""
        key = self._key(kinds)
        if key not in _proved and self._records is not None:
            found = _shipped().get(key)
            if found is None:
                with suppress(OSError, ValueError):
                    found = json.loads((self._records / key).read_text(encoding="utf-8"))
            if isinstance(found, list):
                _proved[key] = tuple(map(str, found))
        return _proved.get(key)

    def _record(self, kinds: tuple[str, ...], names: Sequence[str], *, lasting: bool = True) -> None:
        """Record which rules' forms were proved; for other processes too, if it is `lasting`.

        What leaves a rule to Great Expectations is not lasting: another process must load it anyway, and is to warn as well.
        """
        key = self._key(kinds)
        _proved[key] = tuple(names)
        if self._records is None or not lasting:
            return
        with suppress(OSError):
            self._records.mkdir(parents=True, exist_ok=True)
            draft = self._records / f".{key}.{os.getpid()}"
            draft.write_text(json.dumps(list(names)), encoding="utf-8")
            draft.replace(self._records / key)

    def _key(self, kinds: tuple[str, ...]) -> str:
        return hashlib.sha256(json.dumps([_dependencies(), self._suite, kinds]).encode()).hexdigest()


def _hash_of(rules: Sequence[Rule]) -> str:
    return hashlib.sha256(json.dumps([rule.entry for rule in rules], sort_keys=True).encode()).hexdigest()


@cache
def _shipped() -> Mapping[str, object]:
    """What was proved of the shipped suites, by its key; nothing, where that cannot be read."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return dict(json.loads((shipped_root() / "expectations" / PROOFS).read_text(encoding="utf-8"))["proofs"])
    return {}


@cache
def made_with() -> tuple[str, ...]:
    """The libraries, the Python and the kind of machine that a proof made here holds for."""
    python = ".".join(platform.python_version_tuple()[:2])
    return *(f"{library} {version(library)}" for library in _LIBRARIES), f"python {python}", platform.machine()


@cache
def _code() -> tuple[str, ...]:
    here = Path(__file__).parent
    return tuple(hashlib.sha256((here / f"{name}.py").read_bytes()).hexdigest() for name in _MODULES)


def _dependencies() -> list[str]:
    """What a proof depends on besides the suite: our code, and what it is made with."""
    return [*_code(), *made_with()]
