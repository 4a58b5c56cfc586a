"""Projects: what some members work on and others do not see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloister.core.errors import NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import PersonId, ProjectId

SHARED = ProjectId("prj_sharedbyeveryone")
"""The project of whatever was put into no other; there from the beginning."""
SHARED_NAME = "shared"
EVERYWHERE = frozenset({"admin", "auditor"})
"""Roles that see every project."""

SCHEMA = (
    "CREATE TABLE project (project TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " created INTEGER NOT NULL)",
    "CREATE TABLE project_member (project TEXT NOT NULL, person TEXT NOT NULL,"
    " joined INTEGER NOT NULL, PRIMARY KEY (project, person))",
    "CREATE INDEX project_member_person ON project_member (person)",
    "CREATE TABLE project_object (kind TEXT NOT NULL, name TEXT NOT NULL,"
    " project TEXT NOT NULL, placed INTEGER NOT NULL, PRIMARY KEY (kind, name))",
    # Whoever was a member before there were projects is one of what everybody shares.
    f"INSERT INTO project_member SELECT '{SHARED}', person, added FROM person",  # noqa: S608
)


@dataclass(frozen=True, slots=True)
class Project:
    """One project."""

    project: ProjectId
    name: str
    members: tuple[PersonId, ...] = ()


def project_created(recorded: Recorded) -> Iterator[Statement]:
    """A project begins, empty."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO project VALUES (?, ?, ?)", (body["project"], body["name"], recorded.index)
    )


def project_joined(recorded: Recorded) -> Iterator[Statement]:
    """Somebody sees its objects from now on."""
    body = recorded.event.body
    yield joining(body["project"], body["person"], recorded.index)


def project_left(recorded: Recorded) -> Iterator[Statement]:
    """Somebody sees them no more."""
    body = recorded.event.body
    yield Statement(
        "DELETE FROM project_member WHERE project = ? AND person = ?",
        (body["project"], body["person"]),
    )


def object_placed(recorded: Recorded) -> Iterator[Statement]:
    """A dataset, a run, an experiment... is a project's from its beginning on."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO project_object VALUES (?, ?, ?, ?)",
        (body["kind"], body["name"], body["project"], recorded.index),
    )


def joining(project: str, person: str, place: int) -> Statement:
    """The row that makes ``person`` a member of ``project``."""
    return Statement(
        "INSERT INTO project_member VALUES (?, ?, ?) ON CONFLICT (project, person) DO NOTHING",
        (project, person, place),
    )


def seen_by(tx: Transaction, person: str, role: str) -> frozenset[str] | None:
    """The projects whose objects a member sees; None for all."""
    if role in EVERYWHERE:
        return None
    rows = tx.query("SELECT project FROM project_member WHERE person = ?", (person,))
    return frozenset(row[0] for row in rows)


def of_object(tx: Transaction, kind: str, name: str) -> ProjectId:
    """Whose an object is."""
    rows = tx.query(
        "SELECT project FROM project_object WHERE kind = ? AND name = ?", (kind, name)
    )
    return ProjectId(rows[0][0]) if rows else SHARED


def of_objects(tx: Transaction, kind: str) -> dict[str, str]:
    """Whose the objects of one kind are; those it lacks are shared."""
    rows = tx.query("SELECT name, project FROM project_object WHERE kind = ?", (kind,))
    return dict(rows)


def everything(tx: Transaction) -> list[Project]:
    """All projects, the shared one first, then by age."""
    members: dict[str, list[PersonId]] = {}
    for project, person in tx.iterate(
        "SELECT project, person FROM project_member ORDER BY joined, person"
    ):
        members.setdefault(project, []).append(PersonId(person))
    rows = tx.query("SELECT project, name FROM project ORDER BY created")
    found = [(SHARED, SHARED_NAME), *((ProjectId(project), name) for project, name in rows)]
    return [Project(one, name, tuple(members.get(one, ()))) for one, name in found]


def find(tx: Transaction, reference: str) -> Project:
    """The project of that name or id; raises NotFound."""
    for one in everything(tx):
        if reference in {one.project, one.name}:
            return one
    raise NotFound("no project of that name", hint="see `cloister project ls`")
