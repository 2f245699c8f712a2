"""[fhir]: how a job's scores become FHIR resources, RiskAssessment of R4.

The view reporting.fhir_risk_assessments makes them. What it reads is `Fhir.as_json`, kept with the job version
(`scorer.job_versions.fhir`): a score's resource is made by the templates of the version that scored, and so never changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from scorer.errors import UserError
from scorer.jobs.publication import Bands
from scorer.jobs.toml_table import TomlTable

ENTITY = "entity_id"
OBSERVATION = "observation_id"
RISK_PROBABILITY = "http://terminology.hl7.org/CodeSystem/risk-probability"
# Its codes, by what they say of the outcome.
RISKS = {
    "negligible": "Negligible likelihood",  # exceptionally unlikely
    "low": "Low likelihood",  # possible but unlikely
    "moderate": "Moderate likelihood",  # a reasonable likelihood of occurrence
    "high": "High likelihood",  # more likely to occur than not
    "certain": "Certain",  # effectively guaranteed
}
LONGEST_ID = 64
_DIGITS = 20  # of a score's number, at most, with what joins it
_LETTERS = r"[A-Za-z0-9.\-]"  # of FHIR's ids
_REFERENCE = re.compile(
    rf"(?P<at>(?:https?://(?:[A-Za-z0-9.:%$\-]+/)+)?(?P<type>[A-Za-z]+)/)"
    rf"(?P<before>{_LETTERS}*){{(?P<attribute>[^{{}}]+)}}(?P<after>{_LETTERS}*)"
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")


class Described(Protocol):
    """What [fhir] asks of its job."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as jobs.job.Job has them
    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def output(self) -> str: ...  # noqa: D102
    @property
    def published(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def classes(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def bands(self) -> Bands | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Template:
    """A reference with one attribute in it, such as Patient/{client}."""

    at: str
    type: str
    before: str
    attribute: str
    after: str

    @classmethod
    def read(cls, table: TomlTable, key: str, *, types: Sequence[str], example: str) -> Template | None:
        """Read a template; None where there is none.

        Raises UserError where it is no reference to one of `types` with one attribute in braces.
        """
        text = table.text(key, default="")
        if not text:
            return None
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise UserError(
                f'{table.where}: "{key}" must be a reference: a type, a slash and one attribute in braces, such as "{example}", '
                f'not "{text}".'
            )
        if found["type"] not in types:
            raise UserError(f'{table.where}: "{key}" must refer to {" or ".join(types)}, not to {found["type"]}.')
        return cls(**found.groupdict())

    def as_json(self) -> dict[str, str]:
        """The template as the view reads it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Concept:
    """What is predicted: in words, and by a code where there is one."""

    text: str
    code: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, table: TomlTable, *, text: str) -> Concept:
        """Read a concept, called `text` where it says nothing else.

        Raises UserError where a code has no system.
        """
        text = table.text("text", default=text)
        code = {key: table.text(key, default="") for key in ("system", "code", "display")}
        table.finish()
        code = {key: value for key, value in code.items() if value}
        if code and not {"system", "code"} <= set(code):
            raise UserError(f'{table.where}: a code needs both "system" and "code".')
        if "system" in code:
            _require_uri(code["system"], where=f"{table.where}: system")
        return cls(text=text, code=code)

    def as_json(self) -> dict[str, Any]:
        """The concept as a CodeableConcept."""
        text = {"text": self.text} if self.text else {}
        return {**text, "coding": [dict(self.code)]} if self.code else text


@dataclass(frozen=True, slots=True)
class Fhir:
    """[fhir]: references by templates; what outcome, classes and bands are in codes."""

    subject: Template
    encounter: Template | None
    observation: Template | None
    system: str
    id_prefix: str
    outcome: Concept
    classes: Mapping[str, Concept]
    bands: Mapping[str, str]

    @classmethod
    def read(cls, table: TomlTable | None) -> Fhir | None:
        """Read [fhir]; None where the job has none. Raises UserError where it cannot be used."""
        if table is None:
            return None
        subject = Template.read(table, "subject", types=("Patient", "Group"), example="Patient/{client}")
        if subject is None:
            raise UserError(
                f'{table.where}: "subject" is missing: a RiskAssessment is of somebody; such as "Patient/{{client}}".'
            )
        named, bands = table.table("classes", required=False), table.table("bands", required=False)
        read = cls(
            subject=subject,
            encounter=Template.read(table, "encounter", types=("Encounter",), example="Encounter/{entity_id}"),
            observation=Template.read(
                table, "observation", types=("Observation",), example="Observation/{observation_id}"
            ),
            system=table.text("system", default=""),
            id_prefix=table.text("id_prefix", default=""),
            outcome=Concept.read(table.table("outcome", required=False), text=""),
            classes={name: Concept.read(named.table(name), text=name) for name in named.names()},
            bands={band: bands.text(band) for band in bands.names()},
        )
        table.finish()
        read._require_valid(where=table.where)
        return read

    def _require_valid(self, *, where: str) -> None:
        """Raises UserError where a URI, the prefix or a code is none that FHIR takes."""
        if self.system:
            _require_uri(self.system, where=f"{where}: system")
        if not re.fullmatch(f"{_LETTERS}{{0,20}}", self.id_prefix):
            raise UserError(
                f'{where}: "id_prefix" must be up to 20 letters, digits, dots and dashes, not "{self.id_prefix}".'
            )
        for band, risk in self.bands.items():
            if risk not in RISKS:
                raise UserError(
                    f'{where}: [bands] {band} must be one of {", ".join(RISKS)}, codes of risk-probability, not "{risk}".'
                )
        if self.observation is not None and self.observation.attribute != OBSERVATION:
            raise UserError(
                f'{where}: "observation" takes {{{OBSERVATION}}} alone, not {{{self.observation.attribute}}}.'
            )

    def require_known(self, job: Described, *, where: str) -> None:
        """Raises UserError where [fhir] names what is not published, or no class or band of the job's."""
        bands = () if job.bands is None else job.bands.names
        known = (ENTITY, *job.published)
        for key, template in (("subject", self.subject), ("encounter", self.encounter)):
            if template is not None and template.attribute not in known:
                raise UserError(
                    f'{where}: [fhir] "{key}" names {{{template.attribute}}}, which the job does not publish; add it to published, or '
                    f"name one of: {', '.join(known)}."
                )
        for what, named, of_job in (("class", self.classes, job.classes), ("band", self.bands, bands)):
            for name in named:
                if name not in of_job:
                    there = ", ".join(of_job) or "none"
                    raise UserError(
                        f'{where}: [fhir] names "{name}", which is no {what} of the job; there are: {there}.'
                    )

    def as_json(self, job: Described) -> dict[str, Any]:
        """What the view makes resources by."""
        observation = {"type": "Observation", "attribute": OBSERVATION}
        return {
            "task": str(job.task),
            "output": job.output,
            "id": self._id_start(job.name),
            "subject": self.subject.as_json(),
            "encounter": self.encounter and self.encounter.as_json(),
            "observation": self.observation.as_json() if self.observation else observation,
            "system": self.system or None,
            "outcome": self.outcome.as_json(),
            "band_class": None if job.bands is None else job.bands.of_class,
            "classes": {name: concept.as_json() for name, concept in self.classes.items()},
            "bands": {
                band: {"text": band, "coding": [{"system": RISK_PROBABILITY, "code": risk, "display": RISKS[risk]}]}
                for band, risk in self.bands.items()
            },
        }

    def _id_start(self, job: str) -> str:
        """How the id of each resource of a job begins; the score's number follows.

        A job's name has no dash, so that names stay apart. A long name is hashed.
        """
        name = job.replace("_", "-")
        start = f"{self.id_prefix}-{name}-" if self.id_prefix else f"{name}-"
        if len(start) + _DIGITS <= LONGEST_ID:
            return start
        return f"{hashlib.sha256(start.encode()).hexdigest()[:32]}-"


def _require_uri(text: str, *, where: str) -> None:
    if not _URI.fullmatch(text):
        raise UserError(f'{where} must be a URI, such as "https://hospital.example/scorer", not "{text}".')
