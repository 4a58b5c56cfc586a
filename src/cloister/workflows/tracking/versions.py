"""Versions of registered models, as clients add, describe, stage, find and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Event, Transaction
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.tracking import limits, notes, registry
from cloister.tracking.experiments import ACTIVE
from cloister.tracking.notes import Note
from cloister.tracking.registry import ARCHIVED, NO_STAGE, Registered, Version
from cloister.tracking.search import registry as searching
from cloister.tracking.search.grammar import Condition
from cloister.tracking.search.pages import Page, Window
from cloister.workflows.tracking import holders, marks, seen
from cloister.workflows.tracking import registry as registered
from cloister.workflows.tracking.artifacts import parse
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import now_ms, one, record
from cloister.workflows.tracking.registry import SeenVersion
from cloister.workflows.tracking.visit import Visit

_SOURCE_CHARS = 2000
_MOST_A_PAGE = 200_000


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What a client says of a version that it adds."""

    name: str
    source: str
    run: str = ""
    run_link: str = ""
    model: str = ""
    description: str = ""
    tags: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a version is made of, once looked up."""

    place: str
    run: str
    model: str


def create(visit: Visit, new: NewVersion) -> SeenVersion:
    """The next version of a registered model.

    Its files are those of a logged model or a run that is kept here. Raises NotFound where
    they are not, BadInput for a source outside this server.
    """
    act = visit.act(Action.RUN)
    _check(new)
    cleaner = Cleaner(visit)
    source, description, link = cleaner.texts(
        Place.NAME, (new.source, new.description, new.run_link)
    )
    tags = notes.last_of_each(cleaner.notes(Place.TAG, new.tags))

    def change(tx: Transaction) -> tuple[list[Event], SeenVersion]:
        found = registered.find(visit, tx, new.name, Action.RUN)
        origin = _origin(visit, tx, new)
        body: dict[str, Any] = {
            "description": description,
            "fenced": visit.fenced,
            "model": origin.model,
            "number": found.number,
            "place": origin.place,
            "run": origin.run,
            "run_link": link,
            "source": source,
            "tags": [list(tag) for tag in tags],
            "time_ms": now_ms(visit.lab),
            "version": found.versions + 1,
        }
        made = Version(
            *(found.number, found.versions + 1, visit.fenced, source, origin.place),
            *(origin.run, link, origin.model, description, NO_STAGE),
            *(visit.lab.actor.person, body["time_ms"], body["time_ms"]),
        )
        said = cleaner.events(act, registry.notes_of(found.number))
        told = [*one(act, "registered.versioned", body), *said]
        its = marks.of_versions(tx, [made])[made.number, made.version]
        return told, SeenVersion(made, found.name, sorted(tags), (), its)

    return record(act, change)


def _check(new: NewVersion) -> None:
    registry.check_description(new.description)
    limits.check_text(new.source, "source", _SOURCE_CHARS)
    limits.check_text(new.run_link, "run_link", _SOURCE_CHARS)
    notes.check_tags(new.tags)
    decoded = unquote(unquote(new.source))
    if ".." in decoded.split("/") or "\0" in decoded:
        raise BadInput("Invalid model version source: it holds relative parts")


def _origin(visit: Visit, tx: Transaction, new: NewVersion) -> _Origin:
    """Where the files are; raises NotFound, BadInput."""
    parts = urlsplit(new.source)
    rest = parts.path.strip("/")
    if parts.scheme == "models" and rest.startswith("m-") and not parts.netloc:
        return _of_model(visit, tx, rest.split("/")[0], new.run)
    if parts.scheme == "models" and not parts.netloc:
        its = _named(visit, tx, rest)
        return _Origin(its.place, new.run or its.run, new.model or its.model)
    if parts.scheme == "runs" and not parts.netloc:
        name, _, path = rest.partition("/")
        run = seen.active_run(visit, tx, name)
        return _Origin(f"{run.artifacts}/{path}" if path else run.artifacts, name, new.model)
    if parts.scheme == "mlflow-artifacts":
        asked = parse(rest)
        holder = holders.active(visit, tx, asked.holder, asked.experiment)
        if holder.name.startswith("m-"):
            made = _of_model(visit, tx, holder.name, new.run)
            return _Origin(f"mlflow-artifacts:/{rest}", made.run, made.model)
        return _Origin(f"mlflow-artifacts:/{rest}", new.run or holder.name, new.model)
    if new.source in _PROMPTS:
        return _Origin(new.source, new.run, new.model)
    raise BadInput(
        "Invalid model version source: its files are not kept by this server",
        hint="log the model with log_model, then register it",
    )


_PROMPTS = frozenset({"dummy-source", "prompt-template"})
"""What clients say for prompts, which have no files."""


def _of_model(visit: Visit, tx: Transaction, model: str, run: str) -> _Origin:
    found = holders.active_model(visit, tx, model)
    return _Origin(found.artifacts, run or found.source_run, found.model)


def _named(visit: Visit, tx: Transaction, rest: str) -> Version:
    """The version that ``NAME/NUMBER`` means."""
    name, _, number = rest.rpartition("/")
    return one_of(visit, tx, name or rest, number)[1]


def one_of(
    visit: Visit, tx: Transaction, name: str, version: str, action: Action = Action.LIST
) -> tuple[Registered, Version]:
    """The version of that name and number; raises NotFound, as for one the caller does not
    see."""
    wanted = registry.version_number(version)
    found = registered.find(visit, tx, name, action)
    its = registry.version(tx, found.number, wanted)
    if its is None or not registered.sees(visit, its):
        raise registry.missing(name, wanted)
    return found, its


def get(visit: Visit, name: str, version: str) -> SeenVersion:
    """The version of that number; raises NotFound."""
    visit.act(Action.LIST)

    def query(tx: Transaction) -> SeenVersion:
        found, its = one_of(visit, tx, name, version)
        return registered.whole_versions(tx, [(its, found.name)])[0]

    return visit.lab.read(query)


def by_alias(visit: Visit, name: str, alias: str) -> SeenVersion:
    """The version that ``alias`` stands for, ``latest`` for the newest that the caller sees;
    raises NotFound where it stands for none."""
    visit.act(Action.LIST)
    alias = Cleaner(visit).text(Place.NAME, alias)

    def query(tx: Transaction) -> SeenVersion:
        found = registered.find(visit, tx, name)
        if registry.is_latest(alias):
            all_of_it = registry.versions(tx, [found.number])
            known = [each.version for each in all_of_it if registered.sees(visit, each)]
        else:
            aliases = registry.aliases(tx, [found.number])
            known = [each.version for each in aliases if each.alias == alias]
        if not known:
            raise NotFound("Registered model alias of that name not found")
        its = one_of(visit, tx, name, str(max(known)))[1]
        return registered.whole_versions(tx, [(its, found.name)])[0]

    return visit.lab.read(query)


def download_place(visit: Visit, name: str, version: str) -> str:
    """Where its files are; raises NotFound once they, or their run, are deleted."""
    visit.act(Action.LIST)

    def query(tx: Transaction) -> str:
        its = one_of(visit, tx, name, version)[1]
        if its.model:
            holders.active_model(visit, tx, its.model, Action.LIST)
        elif its.run and seen.run(visit, tx, its.run).stage != ACTIVE:
            raise NotFound("the run that made this model version is deleted")
        return its.place

    return visit.lab.read(query)


def search(
    visit: Visit,
    filter_string: str = "",
    most: int = 10_000,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> Page[SeenVersion]:
    """One page of the versions that match; raises BadInput."""
    visit.act(Action.LIST)
    window = Window.asked(most, page_token, _MOST_A_PAGE)
    filter_string = Cleaner(visit).text(Place.NAME, filter_string)

    def query(tx: Transaction) -> Page[SeenVersion]:
        found = searching.versions(tx, filter_string, order_by, window.bounds, _within(visit))
        return window.page(found, partial(registered.whole_versions, tx))

    return visit.lab.read(query)


def _within(visit: Visit) -> Condition:
    sql, bound = registered.within(visit)
    if visit.fenced is None:
        return sql, bound
    return f"({sql}) AND v.fenced = ?", [*bound, visit.fenced]


def describe(visit: Visit, name: str, version: str, description: str) -> SeenVersion:
    """Gives it another description; raises NotFound, BadInput."""
    registry.check_description(description)
    _change(visit, name, version, description=description)
    return get(visit, name, version)


def stage(visit: Visit, name: str, version: str, stage: str, *, alone: bool) -> SeenVersion:
    """Gives it a stage; ``alone`` archives the others of that stage. Raises NotFound."""
    wanted = registry.canonical_stage(stage)
    if alone and wanted in {NO_STAGE, ARCHIVED}:
        raise BadInput("only for Staging and Production can existing versions be archived")
    _change(visit, name, version, stage=wanted, alone=alone)
    return get(visit, name, version)


def _change(
    visit: Visit,
    name: str,
    version: str,
    *,
    description: str | None = None,
    stage: str | None = None,
    alone: bool = False,
) -> None:
    act = visit.act(Action.RUN)
    cleaner = Cleaner(visit)
    said = None if description is None else cleaner.text(Place.NAME, description)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found, its = one_of(visit, tx, name, version, Action.RUN)
        changes = [(its.version, said, stage)]
        if alone:
            changes += [
                (other.version, None, ARCHIVED)
                for other in registry.versions(tx, [found.number])
                if other.stage == stage
                and other.version != its.version
                and registered.sees(visit, other)
            ]
        now = now_ms(visit.lab)
        bodies = [
            {
                "description": text,
                "number": found.number,
                "stage": to,
                "time_ms": now,
                "version": number,
            }
            for number, text, to in changes
        ]
        named = cleaner.events(act, registry.notes_of(found.number))
        return [*act.events("registered.revised", bodies), *named], None

    record(act, change)


def delete(visit: Visit, name: str, version: str) -> None:
    """Deletes it with its aliases and tags, for good; raises NotFound."""
    act = visit.act(Action.RUN)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found, its = one_of(visit, tx, name, version, Action.RUN)
        body = {
            "number": found.number,
            "time_ms": now_ms(visit.lab),
            "version": its.version,
        }
        return one(act, "registered.withdrawn", body), None

    record(act, change)


def set_tag(visit: Visit, name: str, version: str | None, tag: Note) -> None:
    """Sets one tag of a version, or of the model itself; raises NotFound, BadInput."""
    act = visit.act(Action.RUN)
    notes.check_tags([tag])
    cleaner = Cleaner(visit)
    ((key, value),) = cleaner.notes(Place.TAG, [tag])

    def change(tx: Transaction) -> tuple[list[Event], None]:
        number, its = _tagged(visit, tx, name, version)
        body = {"name": key, "number": number, "value": value, "version": its}
        said = cleaner.events(act, registry.notes_of(number))
        return [*one(act, "registered.tagged", body), *said], None

    record(act, change)


def remove_tag(visit: Visit, name: str, version: str | None, key: str) -> None:
    """Takes one tag off; that it is not there is no error. Raises NotFound."""
    act = visit.act(Action.RUN)
    key = Cleaner(visit).text(Place.TAG, key)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        number, its = _tagged(visit, tx, name, version)
        body = {"name": key, "number": number, "version": its}
        return one(act, "registered.untagged", body), None

    record(act, change)


def _tagged(
    visit: Visit, tx: Transaction, name: str, version: str | None
) -> tuple[int, int | None]:
    if version is None:
        return registered.own(visit, tx, name).number, None
    found, its = one_of(visit, tx, name, version, Action.RUN)
    return found.number, its.version
