"""Models as pages show them: what made each, how it is proved, where it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.core.values import HubModel
from cloister.datasets import versions
from cloister.identity import projects
from cloister.models import exports, hub, registry
from cloister.models.registry import Deployment, Model
from cloister.policy import Action, Resource
from cloister.runs import history, links
from cloister.runs.history import Run
from cloister.tracking import registry as names
from cloister.workflows import _seen
from cloister.workflows._stopped import as_ended
from cloister.workflows.lab import Lab


@dataclass(frozen=True, slots=True)
class Name:
    """What a model is called in the registry of the tracking server."""

    name: str
    version: int
    stage: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One model in the list."""

    sha256: str
    run: str
    format: str
    size_bytes: int
    made: str
    """When its run began."""
    proof: str
    """``signed``: a statement of what made it stands in the ledger; ``none`` yet."""
    tainted: int
    """How many erasures touched it since."""
    withdrawn: bool
    """Every name that it has is in the archive."""
    inputs: tuple[str, ...]
    names: tuple[Name, ...]
    deployed: int
    """In how many places it answers now."""
    predictions: int


@dataclass(frozen=True, slots=True)
class Made:
    """What made a model."""

    run: str
    state: str
    started: str
    finished: str | None
    code: str
    environment: str
    inputs: tuple[tuple[str, str, int, int], ...]
    """(version, part, records, subjects)."""
    settings: Mapping[str, str] = field(repr=False)
    fence: str | None
    reproduced: str | None
    """The verdict of the last replay."""
    pretrained: tuple[HubModel, ...]
    converted_from: str | None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model, whole."""

    line: ModelLine
    spec: str
    """Canonical JSON of its inputs and outputs."""
    made: Made
    statement: int | None
    """Where the ledger has the signed statement."""
    taints: tuple[str, ...]
    """The erasures, by operation."""
    deployments: tuple[Deployment, ...]
    siblings: tuple[str, ...]
    """Other models of its run: one bundle proves them all."""
    may_prove: bool


@dataclass(frozen=True, slots=True)
class RegisteredLine:
    """A registered name whose versions are of no run in the fence, or of several."""

    name: str
    versions: int
    proved: int
    """How many of its versions a run in the fence made."""


def models(lab: Lab) -> tuple[ModelLine, ...]:
    """All models that are seen, the newest first."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> tuple[ModelLine, ...]:
        sees, called = _seen.seeing(lab, tx, _seen.RUN), _names(tx)
        runs = {str(run.run): run for run in history.everything(tx) if sees(run.run)}
        return tuple(
            _line(tx, one, runs[one.run], called)
            for one in registry.everything(tx)
            if one.run in runs
        )

    return lab.read(query)


def registered(lab: Lab) -> tuple[RegisteredLine, ...]:
    """Names in the registry that are seen, and how many of their versions can be proved."""
    lab.act(Action.LIST)
    within = lab.actor.projects

    def query(tx: Transaction) -> tuple[RegisteredLine, ...]:
        found = names.select(tx, "1 = 1", "g.name", ())
        seen = [one for one in found if within is None or one.project in within]
        held = names.versions(tx, [one.number for one in seen])
        return tuple(
            RegisteredLine(
                one.name,
                sum(version.number == one.number for version in held),
                sum(version.number == one.number and bool(version.fenced) for version in held),
            )
            for one in seen
        )

    return lab.read(query)


def model(lab: Lab, sha256: str) -> ModelCard:
    """The card of one model; raises NotFound."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: _card(lab, tx, sha256))


def _card(lab: Lab, tx: Transaction, sha256: str) -> ModelCard:
    sees = _seen.seeing(lab, tx, _seen.RUN)
    runs = [name for name in registry.runs_of(tx, sha256) if sees(name)]
    if not runs:
        raise NotFound("no model has this digest", hint="see `cloister ls --models`")
    run = history.find(tx, runs[0])
    made = registry.of_run(tx, run.run)
    found = next(one for one in made if one.sha256.startswith(sha256))
    signed = registry.envelope(tx, run.run)
    deployments = registry.deployments(tx, run.run)
    project = projects.of_object(tx, _seen.RUN, run.run)
    return ModelCard(
        line=_line(tx, found, run, _names(tx)),
        spec=found.spec,
        made=_made(tx, run),
        statement=None if signed is None else signed[1],
        taints=tuple(registry.taints(tx, run.run)),
        deployments=tuple(one for one in deployments if one.sha256 == found.sha256),
        siblings=tuple(one.sha256 for one in made if one.sha256 != found.sha256),
        may_prove=lab.may(Action.PROVE, Resource(_seen.RUN, run.run, project)),
    )


def _made(tx: Transaction, run: Run) -> Made:
    exported, link = exports.find(tx, run.run), links.link_of(tx, run.run)
    (run,) = as_ended(tx, [run])
    return Made(
        run=run.run,
        state=run.state,
        started=run.started,
        finished=run.finished,
        code=run.code,
        environment=run.environment,
        inputs=tuple(_inputs(tx, run.run)),
        settings=history.settings(run),
        fence=history.fence_report(run.fence).level.value if run.fence else None,
        reproduced=links.standing(tx, run.run) if link is None else None,
        pretrained=tuple(hub.given(tx, run.run)),
        converted_from=None if exported is None else exported.origin,
    )


def _inputs(tx: Transaction, run: str) -> list[tuple[str, str, int, int]]:
    found = []
    for given in history.inputs(tx, run):
        reference = f"{given.dataset}@{given.number}"
        version = versions.resolve(tx, reference)
        found.append((reference, given.part, version.records, version.subjects))
    return found


def _line(
    tx: Transaction, one: Model, run: Run, called: Mapping[str, tuple[Name, ...]]
) -> ModelLine:
    here = [d for d in registry.deployments(tx, one.run) if d.sha256 == one.sha256]
    mine = called.get(one.run, ())
    return ModelLine(
        sha256=one.sha256,
        run=one.run,
        format=one.format,
        size_bytes=one.size_bytes,
        made=run.started,
        proof="none" if registry.envelope(tx, one.run) is None else "signed",
        tainted=len(registry.taints(tx, one.run)),
        withdrawn=bool(mine) and all(name.stage == names.ARCHIVED for name in mine),
        inputs=tuple(f"{i.dataset}@{i.number}" for i in history.inputs(tx, one.run)),
        names=mine,
        deployed=sum(d.stopped is None for d in here),
        predictions=sum(d.predictions for d in here),
    )


def _names(tx: Transaction) -> dict[str, tuple[Name, ...]]:
    """Run of the fence -> what its models are called."""
    held = names.select_versions(tx, "v.fenced IS NOT NULL", "g.name, v.version", ())
    aliases = names.aliases(tx, sorted({version.number for version, _ in held}))
    found: dict[str, tuple[Name, ...]] = {}
    for version, name in held:
        words = tuple(
            one.alias
            for one in aliases
            if (one.number, one.version) == (version.number, version.version)
        )
        mine = Name(name, version.version, version.stage, words)
        found[str(version.fenced)] = (*found.get(str(version.fenced), ()), mine)
    return found
