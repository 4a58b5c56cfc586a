"""Lineage both ways: whose data went in, what came of it; grouped so that it stays readable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.datasets import versions
from cloister.datasets.versions import DatasetVersion
from cloister.models import exports, registry
from cloister.models.registry import Deployment, Model
from cloister.policy import Action
from cloister.runs import history, links
from cloister.runs.history import Run
from cloister.workflows import _seen
from cloister.workflows._stopped import as_ended
from cloister.workflows.lab import Lab
from cloister.workflows.patients import trace
from cloister.workflows.patients.whose import known

MOST = 24
"""Runs drawn one by one; the rest stand together in one node."""


@dataclass(frozen=True, slots=True)
class Node:
    """One thing, or several of a kind standing together."""

    id: str
    kind: str
    """``subject``, ``subjects``, ``records``, ``version``, ``run``, ``runs``, ``model``,
    ``deployment`` or ``predictions``."""
    title: str
    column: int
    """How far down the line from data to predictions: 0 is whose they are."""
    facts: tuple[tuple[str, str], ...] = ()
    mark: str = ""
    """``tainted``, ``erased``, ``running``...; empty where nothing is to be said."""
    count: int = 1
    link: str | None = None
    """Where the console shows it."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What went from one node into another."""

    source: str
    target: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Nodes and edges around one of them."""

    focus: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def of_version(lab: Lab, reference: str, most: int = MOST) -> Lineage:
    """Of a dataset version: whose records it holds, the runs it was given to, their models."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> Lineage:
        found = _seen.version(lab, tx, reference)
        drawn = _Drawing(lab, tx)
        drawn.version(found)
        given = history.given(tx, found.dataset, found.number)
        seen = [run for run in given if drawn.sees(run.run)]
        for run in seen[:most]:
            drawn.run(run)
        drawn.crowd(found, seen[most:])
        return drawn.done(_version_id(found))

    return lab.read(query)


def of_run(lab: Lab, name: str) -> Lineage:
    """Of a run: the versions it was given, whose data they are, the models it left."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> Lineage:
        drawn = _Drawing(lab, tx)
        found = _seen.run(lab, tx, name)
        drawn.run(found)
        return drawn.done(found.run)

    return lab.read(query)


def of_model(lab: Lab, sha256: str) -> Lineage:
    """Of a model: what made it, where it answered and how often; raises NotFound."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> Lineage:
        drawn = _Drawing(lab, tx)
        runs = [name for name in registry.runs_of(tx, sha256) if drawn.sees(name)]
        if not runs:
            raise NotFound("no model has this digest", hint="see `cloister ls --models`")
        for name in runs[:MOST]:
            drawn.run(history.find(tx, name))
        model = next(m for m in registry.of_run(tx, runs[0]) if m.sha256.startswith(sha256))
        return drawn.done(_model_id(model))

    return lab.read(query)


def of_deployment(lab: Lab, deployment: str) -> Lineage:
    """Of a deployment: its model and all before it; raises NotFound."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> Lineage:
        drawn = _Drawing(lab, tx)
        run = registry.run_of(tx, deployment)
        if run is None or not drawn.sees(run):
            raise NotFound("no deployment of this id", hint="see `cloister ls --models`")
        drawn.run(history.find(tx, run))
        return drawn.done(deployment)

    return lab.read(query)


def of_subject(lab: Lab, name: str) -> Lineage:
    """Of one patient, by pseudonym: their records, and everything that came of them.

    For who may trace; reads no patient data. Raises NotFound.
    """
    lab.act(Action.TRACE)
    asked = SubjectId.parse(name)

    def query(tx: Transaction) -> Lineage:
        found = trace.follow(tx, known(tx, asked))
        if not found.records:
            raise NotFound("no subject has this pseudonym", hint="see `cloister ls --subjects`")
        drawn = _Drawing(lab, tx)
        erased = "erased" if found.erased is not None else ""
        facts = (("records", f"{len(found.records):,}"), ("labels", f"{len(found.labels):,}"))
        drawn.node(Node(asked, "subject", asked, 0, facts, erased))
        for dataset, number in found.versions:
            version = versions.resolve(tx, f"{dataset}@{number}")
            here = [one for one in found.records if one.is_in(dataset, number)]
            group = f"records:{dataset}"
            total = sum(one.dataset == dataset for one in found.records)
            drawn.node(Node(group, "records", _count(total, "record"), 1, (), erased, total))
            drawn.edge(asked, group)
            drawn.version(version, whose=False)
            drawn.edge(group, _version_id(version), f"{len(here):,}")
        for one in found.runs[-MOST:]:
            drawn.run(one.run, whose=False)
        if found.predictions:
            drawn.node(
                Node(
                    "about",
                    "predictions",
                    f"{_count(len(found.predictions), 'prediction')} about them",
                    6,
                    count=len(found.predictions),
                )
            )
            for deployment in sorted({one.deployment for one in found.predictions}):
                if drawn.has(deployment):
                    drawn.edge(deployment, "about")
        return drawn.done(asked)

    return lab.read(query)


_KINDS: dict[str, Callable[[Lab, str], Lineage]] = {
    "version": of_version,
    "run": of_run,
    "model": of_model,
    "deployment": of_deployment,
    "subject": of_subject,
}


def lineage(lab: Lab, kind: str, name: str) -> Lineage:
    """What surrounds one thing; raises BadInput for a kind that has no lineage, NotFound."""
    if kind not in _KINDS:
        raise BadInput(f"lineage is of {', '.join(_KINDS)}")
    return _KINDS[kind](lab, name)


@dataclass(slots=True)
class _Drawing:
    """A graph in the making: everything is drawn once."""

    lab: Lab
    tx: Transaction
    _nodes: dict[str, Node] = field(default_factory=dict)
    _edges: dict[tuple[str, str], Edge] = field(default_factory=dict)
    _sees: Callable[[str], bool] | None = None

    def sees(self, run: str) -> bool:
        if self._sees is None:
            self._sees = _seen.seeing(self.lab, self.tx, _seen.RUN)
        return self._sees(run)

    def has(self, name: str) -> bool:
        return name in self._nodes

    def node(self, one: Node) -> str:
        self._nodes.setdefault(one.id, one)
        return one.id

    def edge(self, source: str, target: str, text: str = "") -> None:
        self._edges.setdefault((source, target), Edge(source, target, text))

    def done(self, focus: str) -> Lineage:
        return Lineage(focus, tuple(self._nodes.values()), tuple(self._edges.values()))

    def version(self, found: DatasetVersion, *, whose: bool = True) -> str:
        """A version and, but where one patient's are drawn, its subjects and records."""
        here = _version_id(found)
        if here in self._nodes:
            return here
        tags = versions.tags(self.tx, found.dataset).get(found.number, [])
        facts = (
            ("records", f"{found.records:,}"),
            ("subjects", f"{found.subjects:,}"),
            *((("tags", ", ".join(tags)),) if tags else ()),
        )
        link = f"/data/{found.dataset}/{found.number}"
        self.node(Node(here, "version", str(found), 2, facts, link=link))
        if whose:
            people, held = f"subjects:{found}", f"records:{found}"
            shown = _count(found.subjects, "subject")
            self.node(Node(people, "subjects", shown, 0, count=found.subjects))
            shown = _count(found.records, "record")
            facts = (("size", _size(found.size_bytes)),)
            self.node(Node(held, "records", shown, 1, facts, count=found.records, link=link))
            self.edge(people, held)
            self.edge(held, here)
        return here

    def run(self, run: Run, *, whose: bool = True) -> None:
        """A run, what it was given and what came of it."""
        if run.run in self._nodes:
            return
        (run,) = as_ended(self.tx, [run])
        link, exported = links.link_of(self.tx, run.run), exports.find(self.tx, run.run)
        standing = links.standing(self.tx, run.run)
        facts = [("state", run.state), ("started", run.started[:16].replace("T", " "))]
        facts += [("reproduced", standing)] if standing and link is None else []
        mark = run.state if run.state != "finished" else ""
        self.node(Node(run.run, "run", run.run, 3, tuple(facts), mark, link=f"/runs/{run.run}"))
        for given in history.inputs(self.tx, run.run):
            for found in self._given(given.dataset, given.number):
                self.edge(self.version(found, whose=whose), run.run, given.part)
        for model in registry.of_run(self.tx, run.run):
            self._model(run, model)
        came: list[tuple[str, str]] = [(link.origin, link.how)] if link is not None else []
        came += [(exported.origin, "converted")] if exported is not None else []
        for origin, how in came:
            if self.sees(origin):
                self.run(history.find(self.tx, origin), whose=whose)
                self.edge(origin, run.run, how)

    def crowd(self, found: DatasetVersion, runs: Sequence[Run]) -> None:
        """The runs that are not drawn one by one."""
        if not runs:
            return
        states: dict[str, int] = {}
        for run in as_ended(self.tx, runs):
            states[run.state] = states.get(run.state, 0) + 1
        models = registry.count(self.tx, [run.run for run in runs])
        facts = [(state, f"{count:,}") for state, count in sorted(states.items())]
        facts += [("models", f"{models:,}")] if models else []
        name = f"runs:{found}"
        title = f"{len(runs):,} earlier {'run' if len(runs) == 1 else 'runs'}"
        self.node(Node(name, "runs", title, 3, tuple(facts), count=len(runs), link="/runs"))
        self.edge(_version_id(found), name)

    def _given(self, dataset: str, number: int) -> Iterable[DatasetVersion]:
        """The version itself, where it is seen: a run's inputs are never retracted."""
        if not _seen.seeing(self.lab, self.tx, _seen.DATASET)(dataset):
            return []
        return [one for one in versions.versions(self.tx, dataset) if one.number == number]

    def _model(self, run: Run, model: Model) -> None:
        here = _model_id(model)
        tainted = "tainted" if registry.taints(self.tx, run.run) else ""
        signed = registry.envelope(self.tx, run.run) is not None
        facts = (
            ("format", model.format),
            ("size", _size(model.size_bytes)),
            ("statement", "signed" if signed else "not signed"),
        )
        self.node(
            Node(
                here,
                "model",
                model.sha256[:16],
                4,
                facts,
                tainted,
                link=f"/models/{model.sha256}",
            )
        )
        self.edge(run.run, here)
        answered = [
            one for one in registry.deployments(self.tx, run.run) if one.sha256 == model.sha256
        ]
        for one in answered[:MOST]:
            self._deployment(here, one)

    def _deployment(self, model: str, one: Deployment) -> None:
        mark = "running" if one.stopped is None else ""
        facts = (("started", one.time[:16].replace("T", " ")),)
        self.node(Node(one.deployment, "deployment", one.deployment, 5, facts, mark))
        self.edge(model, one.deployment)
        if one.predictions:
            name = f"predictions:{one.deployment}"
            title = _count(one.predictions, "prediction")
            self.node(Node(name, "predictions", title, 6, count=one.predictions))
            self.edge(one.deployment, name)


def _version_id(found: DatasetVersion) -> str:
    return f"version:{found}"


def _model_id(model: Model) -> str:
    return f"model:{model.sha256}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _size(size_bytes: int) -> str:
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
