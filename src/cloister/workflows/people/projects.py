"""Projects: made, joined, left."""

from __future__ import annotations

import re
from dataclasses import replace

from cloister.core.errors import BadInput, Conflict, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import ProjectId
from cloister.identity import people, projects
from cloister.identity.projects import Project
from cloister.policy import Action
from cloister.workflows.lab import Lab

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def create_project(lab: Lab, name: str) -> Project:
    """A project without members; raises BadInput for its name, Conflict if it is there."""
    act = lab.act(Action.PEOPLE)
    if not _NAME.fullmatch(name):
        raise BadInput("a project's name is 1 to 40 of a-z 0-9 _ -, and begins with no mark")
    project = ProjectId.new(lab.randomness)

    def write(tx: Transaction) -> Project:
        if any(one.name == name for one in projects.everything(tx)):
            raise Conflict(f"there is a project {name}")
        lab.ledger.append(
            tx, [act.event("project.created", {"project": project, "name": name})]
        )
        return Project(project, name)

    return lab.database.write(write)


def join_project(lab: Lab, name: str, member: str) -> None:
    """``member`` sees the project's objects from now on; raises NotFound."""
    _change(lab, "project.joined", name, member)


def leave_project(lab: Lab, name: str, member: str) -> None:
    """``member`` sees them no more; raises NotFound."""
    _change(lab, "project.left", name, member)


def list_projects(lab: Lab) -> list[tuple[Project, tuple[str, ...]]]:
    """The projects the actor sees, each with the names of its members."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[tuple[Project, tuple[str, ...]]]:
        names = {one.person: one.name for one in people.everyone(tx)}
        seen = lab.actor.projects
        return [
            (one, tuple(names[who] for who in one.members if who in names))
            for one in projects.everything(tx)
            if seen is None or one.project in seen
        ]

    return lab.read(query)


def in_project(lab: Lab, name: str) -> Lab:
    """The lab as a member of that project alone sees it, whatever else they see.

    Raises NotFound for a project that is not there, or not the actor's.
    """
    project = lab.read(lambda tx: projects.find(tx, name)).project
    seen = lab.actor.projects
    if seen is not None and project not in seen:
        raise NotFound("no project of that name", hint="see `cloister project ls`")
    return replace(lab, actor=replace(lab.actor, projects=frozenset({project})))


def _change(lab: Lab, kind: str, name: str, member: str) -> None:
    act = lab.act(Action.PEOPLE)

    def write(tx: Transaction) -> None:
        body = {
            "project": projects.find(tx, name).project,
            "person": people.find(tx, member).person,
        }
        lab.ledger.append(tx, [act.event(kind, body)])

    lab.database.write(write)
