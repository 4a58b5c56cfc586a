"""Registered models and their versions, as clients make, name, find and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from cloister.core.errors import Conflict, NotAllowed
from cloister.core.events import Event, Transaction
from cloister.policy import Action, Resource
from cloister.runs.identified import Place
from cloister.tracking import notes, registry
from cloister.tracking.notes import Note
from cloister.tracking.registry import STAGES, Registered, Version
from cloister.tracking.search import registry as searching
from cloister.tracking.search.grammar import Condition
from cloister.tracking.search.pages import Page, Window
from cloister.workflows.tracking import marks as marking
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.marks import Marks
from cloister.workflows.tracking.recording import now_ms, one, record
from cloister.workflows.tracking.visit import Visit

MOST_A_PAGE = 1000


class SeenVersion(NamedTuple):
    """A version and everything that is said of it."""

    version: Version
    name: str
    """Of the registered model."""
    tags: Sequence[Note]
    aliases: Sequence[str]
    marks: Marks = Marks()


class SeenRegistered(NamedTuple):
    """A registered model and everything that is said of it."""

    model: Registered
    tags: Sequence[Note]
    aliases: Sequence[registry.Alias]
    latest: Sequence[SeenVersion]
    """The newest version of each stage."""


def create(
    visit: Visit, name: str, tags: Sequence[Note] = (), description: str = ""
) -> SeenRegistered:
    """A new registered model; raises Conflict where the name is taken, BadInput."""
    act = visit.act(Action.RUN)
    registry.check_name(name)
    registry.check_description(description)
    notes.check_tags(tags)
    cleaner = Cleaner(visit)
    name, description = cleaner.texts(Place.NAME, (name, description))
    tags = notes.last_of_each(cleaner.notes(Place.TAG, tags))

    def change(tx: Transaction) -> tuple[list[Event], SeenRegistered]:
        project = visit.project
        visit.act(Action.RUN, Resource("registered_model", "", project))
        if any(known.project == project for known in registry.named(tx, name)):
            raise Conflict(
                "Registered Model of this name already exists",
                hint="add a version to it, or choose another name",
            )
        number, now = registry.next_number(tx), now_ms(visit.lab)
        body = {
            "description": description,
            "name": name,
            "number": number,
            "project": project,
            "tags": [list(tag) for tag in tags],
            "time_ms": now,
        }
        made = Registered(number, project, name, description, 0, now, now)
        said = cleaner.events(act, registry.notes_of(number))
        told = [*one(act, "registered.created", body), *said]
        return told, SeenRegistered(made, sorted(tags), (), ())

    return record(act, change)


def find(visit: Visit, tx: Transaction, name: str, action: Action = Action.LIST) -> Registered:
    """The one of that name that the caller sees; raises NotFound."""
    registry.check_name(name)
    name = Cleaner(visit).text(Place.NAME, name)
    mine = [known for known in registry.named(tx, name) if seen.within(visit, known.project)]
    if not mine:
        raise registry.missing(name)
    # Of two projects' that where new ones belong.
    found = min(mine, key=lambda known: (known.project != visit.project, known.project))
    visit.lab.act(action, Resource("registered_model", str(found.number), found.project), tx)
    return found


def own(visit: Visit, tx: Transaction, name: str) -> Registered:
    """The one of that name, to be changed; raises NotFound, and NotAllowed inside a fence.

    A job adds versions to the models of its project, and changes those that it added; it does
    not rename or delete what other runs added theirs to.
    """
    found = find(visit, tx, name, Action.RUN)
    if visit.fenced is not None:
        raise NotAllowed("a fenced run does not change registered models, which others share")
    return found


def get(visit: Visit, name: str) -> SeenRegistered:
    """The registered model of that name; raises NotFound."""
    visit.act(Action.LIST)
    return visit.lab.read(lambda tx: whole(visit, tx, [find(visit, tx, name)])[0])


def whole(visit: Visit, tx: Transaction, found: Sequence[Registered]) -> list[SeenRegistered]:
    """These, in their order, with everything that is said of them: a few queries for all."""
    numbers = [each.number for each in found]
    names = {each.number: each.name for each in found}
    mine = [each for each in registry.versions(tx, numbers) if sees(visit, each)]
    there = {(each.number, each.version) for each in mine}
    aliases = [
        each for each in registry.aliases(tx, numbers) if (each.number, each.version) in there
    ]
    newest: dict[tuple[int, str], Version] = {}
    for each in mine:
        newest.setdefault((each.number, each.stage), each)
    shown = whole_versions(tx, [(each, names[each.number]) for each in newest.values()])
    tags = registry.tags(tx, [registry.notes_of(number) for number in numbers])
    return [
        SeenRegistered(
            each,
            tags[registry.notes_of(each.number)],
            [alias for alias in aliases if alias.number == each.number],
            [one for one in shown if one.version.number == each.number],
        )
        for each in found
    ]


def whole_versions(tx: Transaction, found: Sequence[tuple[Version, str]]) -> list[SeenVersion]:
    """These versions with everything that is said of them."""
    keys = [registry.notes_of(each.number, each.version) for each, _ in found]
    tags = registry.tags(tx, keys)
    aliases: dict[tuple[int, int], list[str]] = {}
    for alias in registry.aliases(tx, sorted({each.number for each, _ in found})):
        aliases.setdefault((alias.number, alias.version), []).append(alias.alias)
    marks = marking.of_versions(tx, [each for each, _ in found])
    return [
        SeenVersion(
            *(each, name, tags[key], aliases.get((each.number, each.version), ())),
            marks[each.number, each.version],
        )
        for (each, name), key in zip(found, keys, strict=True)
    ]


def sees(visit: Visit, version: Version) -> bool:
    """Whether the caller sees that version of what they see: a job sees its own."""
    return visit.fenced in {None, version.fenced}


def search(
    visit: Visit,
    filter_string: str = "",
    most: int = 100,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> Page[SeenRegistered]:
    """One page of the registered models that match; raises BadInput."""
    visit.act(Action.LIST)
    window = Window.asked(most, page_token, MOST_A_PAGE)
    filter_string = Cleaner(visit).text(Place.NAME, filter_string)

    def query(tx: Transaction) -> Page[SeenRegistered]:
        found = searching.models(tx, filter_string, order_by, window.bounds, within(visit))
        return window.page(found, partial(whole, visit, tx))

    return visit.lab.read(query)


def within(visit: Visit) -> Condition:
    """The condition on ``track_registered g`` under which the caller sees it."""
    projects = visit.projects
    if projects is None:
        return "1 = 1", []
    marks = ", ".join("?" * len(projects)) or "NULL"
    return f"g.project IN ({marks})", [*sorted(projects)]


def change(
    visit: Visit, name: str, *, new_name: str | None = None, description: str | None = None
) -> SeenRegistered:
    """Gives it another name or description; raises NotFound, Conflict, BadInput."""
    act = visit.act(Action.RUN)
    if new_name is not None:
        registry.check_name(new_name)
    registry.check_description(description or "")
    cleaner = Cleaner(visit)
    new_name = None if new_name is None else cleaner.text(Place.NAME, new_name)
    description = None if description is None else cleaner.text(Place.NAME, description)

    def write(tx: Transaction) -> tuple[list[Event], str]:
        found = own(visit, tx, name)
        others = registry.named(tx, new_name) if new_name is not None else []
        if any(o.project == found.project and o.number != found.number for o in others):
            raise Conflict("Registered Model of this name already exists")
        body = {
            "description": description,
            "name": new_name,
            "number": found.number,
            "time_ms": now_ms(visit.lab),
        }
        said = cleaner.events(act, registry.notes_of(found.number))
        return [*one(act, "registered.changed", body), *said], new_name or name

    return get(visit, record(act, write))


def delete(visit: Visit, name: str) -> None:
    """Deletes it with its versions, aliases and tags, for good; raises NotFound."""
    act = visit.act(Action.RUN)

    def write(tx: Transaction) -> tuple[list[Event], None]:
        return one(act, "registered.deleted", {"number": own(visit, tx, name).number}), None

    record(act, write)


def set_alias(visit: Visit, name: str, alias: str, version: str) -> None:
    """Makes ``alias`` stand for that version, and no other; raises NotFound, BadInput."""
    registry.check_alias(alias)
    _alias(visit, name, alias, registry.version_number(version))


def remove_alias(visit: Visit, name: str, alias: str) -> None:
    """Lets ``alias`` stand for nothing; that it did already is no error."""
    _alias(visit, name, alias, None)


def _alias(visit: Visit, name: str, alias: str, version: int | None) -> None:
    act = visit.act(Action.RUN)
    cleaner = Cleaner(visit)
    alias = cleaner.text(Place.NAME, alias)

    def write(tx: Transaction) -> tuple[list[Event], None]:
        if version is None:
            found = own(visit, tx, name)
        else:
            found = find(visit, tx, name, Action.RUN)
            its = registry.version(tx, found.number, version)
            if its is None or not sees(visit, its):
                raise registry.missing(name, version)
        body: dict[str, Any] = {
            "alias": alias,
            "number": found.number,
            "time_ms": now_ms(visit.lab),
            "version": version,
        }
        said = cleaner.events(act, registry.notes_of(found.number))
        return [*one(act, "registered.aliased", body), *said], None

    record(act, write)


def latest(visit: Visit, name: str, stages: Sequence[str] = ()) -> list[SeenVersion]:
    """The newest version of each stage, or of those; raises NotFound, BadInput."""
    wanted = [registry.canonical_stage(stage) for stage in stages] or STAGES
    return [each for each in get(visit, name).latest if each.version.stage in wanted]
