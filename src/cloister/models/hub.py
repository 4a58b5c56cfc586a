"""The local hub on record: pretrained models, licences and digests, and who was given them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from cloister.core.canonical import canonical
from cloister.core.errors import NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.values import HubModel
from cloister.models.snapshot import SnapshotFile

SCHEMA = (
    "CREATE TABLE hub_model (added INTEGER PRIMARY KEY, name TEXT NOT NULL,"
    " sha256 TEXT NOT NULL, license TEXT NOT NULL, code INTEGER NOT NULL,"
    " files TEXT NOT NULL, time TEXT NOT NULL, removed INTEGER)",
    "CREATE TABLE hub_given (run TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " license TEXT NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (run, name))",
)


class Snapshot(NamedTuple):
    """One pretrained model."""

    added: int
    name: str
    sha256: str
    license: str
    code: int
    """Whether Python was let in."""
    files: str
    """Canonical JSON, as the event has it."""
    time: str
    removed: int | None

    @property
    def model(self) -> HubModel:
        """As runs and statements name it."""
        return HubModel(self.name, self.sha256, self.license)

    def contents(self) -> tuple[SnapshotFile, ...]:
        """Its files; each is in the store under its SHA-256."""
        return tuple(
            SnapshotFile(one["path"], one["sha256"], one["size"])
            for one in json.loads(self.files)
        )


def hub_added(recorded: Recorded) -> Iterator[Statement]:
    """A pretrained model is there."""
    event, body = recorded.event, recorded.event.body
    yield Statement(
        "INSERT INTO hub_model VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            recorded.index,
            body["name"],
            body["sha256"],
            body["license"],
            body["code"],
            canonical(body["files"]).decode(),
            event.time,
        ),
    )


def hub_removed(recorded: Recorded) -> Iterator[Statement]:
    """It is given to no run any more."""
    yield Statement(
        "UPDATE hub_model SET removed = ? WHERE name = ? AND removed IS NULL",
        (recorded.index, recorded.event.body["name"]),
    )


def hub_given(recorded: Recorded) -> Iterator[Statement]:
    """A run finds these where ``from_pretrained`` looks."""
    body = recorded.event.body
    for model in body["models"]:
        yield Statement(
            "INSERT INTO hub_given VALUES (:run, :name, :sha256, :license, :idx)",
            {"run": body["run"], "idx": recorded.index, **model},
        )


def everything(tx: Transaction) -> list[Snapshot]:
    """All models that are there, by name."""
    rows = tx.query("SELECT * FROM hub_model WHERE removed IS NULL ORDER BY name")
    return [Snapshot._make(row) for row in rows]


def find(tx: Transaction, name: str) -> Snapshot:
    """The model of that name; raises NotFound."""
    for one in everything(tx):
        if one.name == name:
            return one
    raise NotFound(f"the hub has no {name}", hint="see `cloister hub ls`")


def given(tx: Transaction, run: str) -> list[HubModel]:
    """What a run was given, by name."""
    rows = tx.query(
        "SELECT name, sha256, license FROM hub_given WHERE run = ? ORDER BY name", (run,)
    )
    return [HubModel(*row) for row in rows]


def given_at(tx: Transaction, run: str) -> list[int]:
    """Where the ledger says so."""
    rows = tx.query("SELECT DISTINCT idx FROM hub_given WHERE run = ?", (run,))
    return [row[0] for row in rows]
