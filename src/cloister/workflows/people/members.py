"""Members: who belongs to the team, in which role."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloister.core.errors import BadInput, Conflict, NotAllowed
from cloister.core.events import Transaction
from cloister.core.ids import PersonId
from cloister.identity import credentials, people, projects
from cloister.identity.people import Person
from cloister.policy import PERSONS, Action
from cloister.workflows.lab import Lab

_NAME = re.compile(r"[^\W_](?:[\w .@+'-]{0,62}\w)?")
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One member, and how they can come in."""

    person: Person
    ways: tuple[str, ...]
    """Kinds of credentials they have set."""
    projects: tuple[str, ...]
    """Names of those they see."""


def as_member(lab: Lab, person: str, via: str) -> Lab:
    """The lab as a member gets it today, whom nobody sees at it; raises NotAllowed once they
    left."""

    def query(tx: Transaction) -> Lab:
        member = people.by_id(tx, person)
        if member is None or member.removed is not None:
            raise NotAllowed("whoever asked for this is no member any more")
        return replace(lab, actor=people.actor(tx, member, via, present=False))

    return lab.read(query)


def add_member(
    lab: Lab,
    name: str,
    role: str,
    os_uid: int | None = None,
    into: Sequence[str] = (projects.SHARED_NAME,),
) -> Person:
    """A new member; they come in by their OS user, by an invitation, or by a token.

    Raises BadInput for a name or role that cannot be, Conflict where the name or the OS user
    is a member's already, NotFound for a project that is not there.
    """
    act = lab.act(Action.PEOPLE)
    _check_role(role)
    if not _NAME.fullmatch(name):
        raise BadInput("a name is 1 to 64 letters, digits, spaces and . _ @ + ' -")
    person = PersonId.new(lab.randomness)

    def write(tx: Transaction) -> Person:
        if people.by_name(tx, name):
            raise Conflict("there is a member of that name")
        _check_uid(tx, os_uid)
        places = [projects.find(tx, one).project for one in into]
        body = {
            "name": name,
            "os_uid": os_uid,
            "person": person,
            "projects": places,
            "role": role,
        }
        place = lab.ledger.append(tx, [act.event("person.added", body)])[0].index
        return Person(person, role, os_uid, name, place)

    return lab.database.write(write)


def change_member(
    lab: Lab, reference: str, role: str | None = None, os_uid: int | None = None
) -> Person:
    """Another role, or another OS user; holds from the next request of theirs on.

    Raises NotFound, BadInput, Conflict: a lab keeps one admin at least.
    """
    act = lab.act(Action.PEOPLE)
    if role is not None:
        _check_role(role)

    def write(tx: Transaction) -> Person:
        member = people.find(tx, reference)
        if os_uid is not None and os_uid != member.os_uid:
            _check_uid(tx, os_uid)
        new = role or member.role
        if new != ADMIN:
            _keep_an_admin(lab, tx, member)
        uid = member.os_uid if os_uid is None else os_uid
        body = {"person": member.person, "role": new, "os_uid": uid}
        lab.ledger.append(tx, [act.event("person.changed", body)])
        return Person(member.person, new, uid, member.name, member.added)

    return lab.database.write(write)


def remove_member(lab: Lab, reference: str) -> Person:
    """They are gone: in the same transaction their tokens, sessions and passkeys are void.

    What they did stays on record under their id. Raises NotFound, Conflict for the last
    admin at the machine and for oneself.
    """
    act = lab.act(Action.PEOPLE)

    def write(tx: Transaction) -> Person:
        member = people.find(tx, reference)
        _keep_an_admin(lab, tx, member)
        lab.ledger.append(tx, [act.event("person.removed", {"person": member.person})])
        return member

    return lab.database.write(write)


def list_members(lab: Lab) -> list[MemberLine]:
    """The members, in the order they came."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[MemberLine]:
        all_projects = projects.everything(tx)
        return [
            MemberLine(
                member,
                tuple(one.kind for one in credentials.of_person(tx, member.person)),
                tuple(
                    one.name
                    for one in all_projects
                    if member.role in projects.EVERYWHERE or member.person in one.members
                ),
            )
            for member in people.everyone(tx)
        ]

    return lab.read(query)


def _check_role(role: str) -> None:
    if role not in PERSONS:
        raise BadInput(f"no such role: expected {', '.join(PERSONS)}")


def _check_uid(tx: Transaction, os_uid: int | None) -> None:
    if any(os_uid is not None and one.os_uid == os_uid for one in people.everyone(tx)):
        raise Conflict("this user of the operating system is a member already")


def _keep_an_admin(lab: Lab, tx: Transaction, member: Person) -> None:
    """Someone must be left who can let others in, at the machine that the lab lies on."""
    if member.role != ADMIN:
        return
    if member.person == lab.actor.person:
        raise Conflict("nobody stops being an admin by themselves", hint="ask another admin")
    others = [one for one in people.everyone(tx) if one.person != member.person]
    if not any(one.role == ADMIN and one.os_uid is not None for one in others):
        raise Conflict(
            "the last admin with an account on this machine stays",
            hint="make somebody else one first: cloister person change NAME --os-user USER",
        )
