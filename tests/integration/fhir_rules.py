"""A RiskAssessment held against FHIR R4: by the package fhir.resources, and by the specification's own rules.

The package's models are those of R4B. It takes a status that there is none of, and what is required as missing; so the elements of R4, its
formats and its invariants are written here as hl7.org/fhir/R4 has them: ras-1, ele-1, ext-1, per-1. Of what ras-2 and ref-1 are about,
ranges and contained resources, we have none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fhir.resources.R4B.riskassessment import RiskAssessment

STATUSES = {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"}
RISKS = {"negligible", "low", "moderate", "high", "certain"}
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
CODE = re.compile(r"[^\s]+(\s[^\s]+)*")
STRING = re.compile(r"[ \r\n\t\S]+")
MOMENT = re.compile(
    r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[1-2][0-9]|3[0-1])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
)
REFERENCE = re.compile(
    r"((http|https)://([A-Za-z0-9\-\\.:%$]*/)+)?(Patient|Group|Encounter|Observation)/[A-Za-z0-9\-.]{1,64}"
)
# The elements of each type that we use: what each is, and of those with a star at least one.
ELEMENTS: dict[str, dict[str, str]] = {
    "RiskAssessment": {
        "resourceType": "code",
        "id": "id",
        "identifier": "*Identifier",
        "status": "code",
        "method": "CodeableConcept",
        "subject": "Reference",
        "encounter": "Reference",
        "basis": "*Reference",
        "occurrenceDateTime": "dateTime",
        "prediction": "*Prediction",
    },
    "Prediction": {
        "outcome": "CodeableConcept",
        "probabilityDecimal": "decimal",
        "qualitativeRisk": "CodeableConcept",
        "whenPeriod": "Period",
        "rationale": "string",
        "extension": "*Extension",
    },
    "Identifier": {"system": "uri", "value": "string"},
    "CodeableConcept": {"text": "string", "coding": "*Coding"},
    "Coding": {"system": "uri", "code": "code", "display": "string"},
    "Reference": {"reference": "reference", "type": "uri-or-type", "identifier": "Identifier", "display": "string"},
    "Period": {"start": "dateTime", "end": "dateTime"},
    "Extension": {"url": "string", "valueDecimal": "decimal", "extension": "*Extension"},
}
REQUIRED = {"RiskAssessment": {"resourceType", "status", "subject"}, "Extension": {"url"}}
FORMATS = {
    "id": ID,
    "uri": URI,
    "code": CODE,
    "string": STRING,
    "dateTime": MOMENT,
    "reference": REFERENCE,
    "uri-or-type": re.compile("Patient|Group|Encounter|Observation"),
}


def require_valid(resource: str | dict[str, Any]) -> dict[str, Any]:
    """The resource, which is to be a valid RiskAssessment of R4; raises AssertionError, or the package's error."""
    text = resource if isinstance(resource, str) else json.dumps(resource)
    assert not re.search("NaN|Infinity", text)
    content: dict[str, Any] = json.loads(text)
    RiskAssessment.model_validate_json(text)
    faults = [*_faults(content, "RiskAssessment", "RiskAssessment"), *_invariants(content)]
    assert not faults, faults
    return content


def _faults(value: Any, kind: str, where: str) -> Iterator[str]:
    """What is no value of the type, here or below."""
    if kind in ELEMENTS:
        yield from _faults_below(value, kind, where)
    elif kind == "decimal":
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{where} is no decimal"
    elif not (isinstance(value, str) and FORMATS[kind].fullmatch(value) and value.strip()):
        yield f"{where} is no {kind}: {value!r}"


def _faults_below(value: Any, kind: str, where: str) -> Iterator[str]:
    """What is none of the type's elements, lacks, or is wrong in one."""
    if not isinstance(value, dict) or not value:
        yield f"{where} is empty (ele-1)"
        return
    for name in REQUIRED.get(kind, set()) - set(value):
        yield f"{where} lacks {name}"
    for name, each in value.items():
        of = ELEMENTS[kind].get(name, "")
        several = each if of.startswith("*") else [each]
        if not of or not several or not isinstance(several, list):
            yield f"{where}.{name} is no element of {kind}, or empty"
            continue
        for one in several:
            yield from _faults(one, of.removeprefix("*"), f"{where}.{name}")


def _invariants(content: dict[str, Any]) -> Iterator[str]:
    """What breaks one of the specification's invariants, or a binding."""
    if content["resourceType"] != "RiskAssessment" or content["status"] not in STATUSES:
        yield "status: not of observation-status"
    for each in content["prediction"]:
        yield from _faults_of_prediction(each)
    for extensions in _all(content, "extension"):
        for extension in extensions:
            if ("extension" in extension) == ("valueDecimal" in extension):
                yield "ext-1: an extension has either extensions or a value"
            if "extension" in extension and not URI.fullmatch(extension["url"]):
                yield "an extension's url is absolute"
    for each in [content["subject"], content.get("encounter"), *content.get("basis", ())]:
        if each is not None and not {"reference", "identifier", "display"} & set(each):
            yield "a reference that refers to nothing"


def _faults_of_prediction(prediction: dict[str, Any]) -> Iterator[str]:
    if not 0 <= prediction.get("probabilityDecimal", 0) <= 100:
        yield "ras-1: a probability must be at most 100"
    if not {"probabilityDecimal", "extension"} & set(prediction):
        yield "a prediction that says nothing"
    for coding in prediction.get("qualitativeRisk", {}).get("coding", ()):
        if coding["system"].endswith("/risk-probability") and coding["code"] not in RISKS:
            yield "qualitativeRisk: not of risk-probability"
    period = prediction["whenPeriod"]
    if datetime.fromisoformat(period["start"]) > datetime.fromisoformat(period["end"]):
        yield "per-1: a period begins before it ends"


def _all(value: Any, name: str) -> Iterator[Any]:
    """The values of every element called `name`."""
    if isinstance(value, list):
        for each in value:
            yield from _all(each, name)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == name:
                yield each
            yield from _all(each, name)
