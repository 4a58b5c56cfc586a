"""The team: members and projects, for all to see and for admins to change."""

from __future__ import annotations

from typing import Any

from cloister.identity.people import Person
from cloister.identity.projects import SHARED_NAME
from cloister.policy import ROLES, Action
from cloister.web.console.calls import Asked, Call, Field, Kind, Said, listed
from cloister.workflows.people import invitations, members, projects
from cloister.workflows.people.invitations import Invitation


def people(asked: Asked) -> dict[str, Any]:
    """The members, in the order they came."""
    lines = members.list_members(asked.lab)
    items = [
        _person(line.person) | {"ways": line.ways, "projects": line.projects} for line in lines
    ]
    return listed(items, None, len(items))


def add(asked: Asked) -> Said:
    """A new member, with the link by which they set how they log in."""
    into = asked.texts("projects") or (SHARED_NAME,)
    name, role = asked.text("name").strip(), asked.text("role")
    made = members.add_member(asked.lab, name, role, into=into)
    invited = _invitation(invitations.invite(asked.lab, made.person))
    return Said(_person(made) | {"invitation": invited}, 201)


def change(asked: Asked) -> dict[str, Any]:
    """Gives a member another role."""
    reference, role = asked.named["person"], asked.text("role")
    return _person(members.change_member(asked.lab, reference, role))


def remove(asked: Asked) -> Said:
    """Ends a membership, and all that stands for it."""
    members.remove_member(asked.lab, asked.named["person"])
    return Said(status=204)


def invite(asked: Asked) -> Said:
    """A link for a member, for the first time or anew; the one before it is void."""
    return Said(_invitation(invitations.invite(asked.lab, asked.named["person"])), 201)


def roles(_asked: Asked) -> dict[str, Any]:
    """The roles and what each may do."""
    items = [{"role": role, "actions": sorted(may)} for role, may in ROLES.items()]
    return listed(items, None, len(items))


def all_projects(asked: Asked) -> dict[str, Any]:
    """The projects that the caller sees, with their members."""
    items = [
        {"project": one.project, "name": one.name, "members": names}
        for one, names in projects.list_projects(asked.lab)
    ]
    return listed(items, None, len(items))


def create(asked: Asked) -> Said:
    """A project without members."""
    made = projects.create_project(asked.lab, asked.text("name"))
    return Said({"project": made.project, "name": made.name, "members": []}, 201)


def join(asked: Asked) -> Said:
    """Shows a project to a member."""
    projects.join_project(asked.lab, asked.named["project"], asked.named["person"])
    return Said(status=204)


def leave(asked: Asked) -> Said:
    """Hides a project from a member."""
    projects.leave_project(asked.lab, asked.named["project"], asked.named["person"])
    return Said(status=204)


def _person(one: Person) -> dict[str, Any]:
    return {"person": one.person, "name": one.name, "role": one.role}


def _invitation(made: Invitation) -> dict[str, Any]:
    return {"path": made.path, "expires": made.expires}


_ROLE = Field("role", required=True, most=40, example="nonsense")
_MEMBER = "/projects/{project}/members/{person}"
CALLS = (
    Call("GET", "/people", people),
    Call(
        "POST",
        "/people",
        add,
        Action.PEOPLE,
        (
            Field("name", required=True, most=200, example="\n"),
            _ROLE,
            Field("projects", Kind.TEXTS, most=50),
        ),
        statuses=(201,),
    ),
    Call("PATCH", "/people/{person}", change, Action.PEOPLE, (_ROLE,)),
    Call("DELETE", "/people/{person}", remove, Action.PEOPLE, statuses=(204,)),
    Call("POST", "/people/{person}/invite", invite, Action.PEOPLE, statuses=(201,)),
    Call("GET", "/roles", roles),
    Call("GET", "/projects", all_projects),
    Call(
        "POST",
        "/projects",
        create,
        Action.PEOPLE,
        (Field("name", required=True, most=80, example="\n"),),
        statuses=(201,),
    ),
    Call("PUT", _MEMBER, join, Action.PEOPLE, statuses=(204,)),
    Call("DELETE", _MEMBER, leave, Action.PEOPLE, statuses=(204,)),
)
