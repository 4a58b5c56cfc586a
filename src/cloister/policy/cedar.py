"""The same questions answered by Cedar, with a lab's own policies beside the shipped ones.

Needs the ``up`` extra (cedarpy). Without policies of its own a lab needs no Cedar.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from types import ModuleType
from typing import Any

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.core.values import Decision
from cloister.policy.actions import Action
from cloister.policy.question import LAB, Question

_LARGEST = 256 * 1024


def shipped() -> str:
    """The policies every lab starts from."""
    return (files("cloister.policy") / "shipped.cedar").read_text()


@dataclass(frozen=True, slots=True)
class CedarRules:
    """`Rules` of a lab that has policies of its own; parsed once, used from every thread."""

    own: str
    """The lab's own policies, in Cedar."""

    def __call__(self, question: Question, _: Transaction | None = None) -> Decision:
        """Cedar's answer, with the policies that gave it.

        A policy that fails while it is asked refuses: Cedar itself would pass over it, and so
        over a forbid that was meant to hold.
        """
        answer = _cedar().is_authorized(
            _request(question), _parsed(self.own), _entities(question)
        )
        found = answer.diagnostics
        ids = sorted(found.id_annotations_by_reason.get(one, one) for one in found.reasons)
        who, action = f"role {question.actor.role}", question.action
        by = f" (policy {', '.join(ids)})" if ids else ""
        if found.errors:
            why = f"{who} may not {action}: a policy of the lab failed"
            return Decision(False, why, hidden=not question.within)
        if answer.allowed:
            return Decision(True, f"{who} may {action}{by}")
        if ids == ["presence"]:
            return Decision(False, f"to {action}, show again who you are")
        return Decision(False, f"{who} may not {action}{by}", hidden="other-project" in ids)


def check(own: str) -> tuple[str, ...]:
    """The ids of a lab's own policies; raises BadInput for what is not sound Cedar.

    Each carries an ``@id`` that is not one of the shipped, so that a reason names it; each is
    checked against the schema of the questions, so that none fails when it is asked.
    """
    if len(own.encode()) > _LARGEST:
        raise BadInput(f"policies: at most {_LARGEST} bytes")
    cedar = _cedar()
    try:
        parsed = json.loads(cedar.policies_to_json_str(own))
        found = cedar.validate_policies(own, schema())
    except ValueError as error:
        raise BadInput(f"policies: not Cedar: {error}") from error
    if not found.validation_passed:
        raise BadInput(f"policies: {found.errors[0].error}")
    ids = [_id_of(one) for one in parsed.get("staticPolicies", {}).values()]
    ours = set(_ids(shipped()))
    for one in ids:
        if not one or one in ours or ids.count(one) > 1:
            raise BadInput(
                "policies: each has an @id of its own",
                hint='write @id("night-shift") above it',
            )
    return tuple(sorted(ids))


def schema() -> dict[str, Any]:
    """The shape of every question, as a Cedar schema."""
    text, flag = {"type": "String"}, {"type": "Boolean"}
    strings = {"type": "Set", "element": text, "required": False}
    actions = {"type": "Entity", "name": "Action"}
    context = {
        "via": text,
        "present": flag,
        "scopes": {"type": "Set", "element": actions, "required": False},
    }
    person = {"role": text, "projects": strings}
    perhaps = text | {"required": False}
    thing = {"kind": text, "project": perhaps, "data_class": perhaps}
    applies = {
        "principalTypes": ["Person"],
        "resourceTypes": ["Lab", "Object"],
        "context": {"type": "Record", "attributes": context},
    }
    return {
        "": {
            "entityTypes": {
                "Person": _record(person) | {"memberOfTypes": ["Role"]},
                "Role": {},
                "Lab": _record(thing),
                "Object": _record(thing),
            },
            "actions": {str(action): {"appliesTo": applies} for action in Action},
        }
    }


def _record(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"shape": {"type": "Record", "attributes": attributes}}


def _request(question: Question) -> dict[str, Any]:
    actor = question.actor
    context: dict[str, Any] = {
        "via": actor.via.partition(":")[0],
        "present": actor.present,
    }
    if actor.scopes is not None:
        context["scopes"] = [_entity("Action", one) for one in sorted(actor.scopes)]
    return {
        "principal": {"type": "Person", "id": actor.person},
        "action": {"type": "Action", "id": str(question.action)},
        "resource": _resource(question),
        "context": context,
    }


def _entities(question: Question) -> list[dict[str, Any]]:
    actor, on = question.actor, question.resource
    person: dict[str, Any] = {"role": actor.role}
    if actor.projects is not None:
        person["projects"] = sorted(actor.projects)
    said = {"kind": on.kind, "project": on.project, "data_class": on.data_class}
    thing = {name: text for name, text in said.items() if text is not None}
    role = {"type": "Role", "id": actor.role}
    return [
        {"uid": {"type": "Person", "id": actor.person}, "attrs": person, "parents": [role]},
        {"uid": role, "attrs": {}, "parents": []},
        {"uid": _resource(question), "attrs": thing, "parents": []},
    ]


def _resource(question: Question) -> dict[str, str]:
    on = question.resource
    return {"type": "Lab" if on == LAB else "Object", "id": on.name}


def _entity(kind: str, name: str) -> dict[str, dict[str, str]]:
    return {"__entity": {"type": kind, "id": name}}


@cache
def _parsed(own: str) -> Any:
    return _cedar().PolicySet.from_str(f"{shipped()}\n{own}")


def _ids(text: str) -> list[str]:
    parsed = json.loads(_cedar().policies_to_json_str(text))
    return [_id_of(one) for one in parsed.get("staticPolicies", {}).values()]


def _id_of(policy: dict[str, Any]) -> str:
    return str(policy.get("annotations", {}).get("id") or "")


def _cedar() -> ModuleType:
    try:
        return import_module("cedarpy")
    except ModuleNotFoundError as error:
        raise BadInput(
            "this lab has policies of its own, and no Cedar to ask",
            hint="pip install 'cloister[up]'",
        ) from error
