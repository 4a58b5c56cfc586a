"""From configuration to a lab that works: the one place where everything is wired."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cloister import (
    datasets,
    identity,
    jobs,
    labels,
    ledger,
    models,
    recovery,
    runs,
    store,
    tracking,
)
from cloister.app.config import Config
from cloister.core.clock import SystemClock
from cloister.core.errors import KeyMissing, Locked, NotVerified
from cloister.core.events import Projection, no_rows
from cloister.core.values import Actor
from cloister.db import Database, Migration, open_database
from cloister.identity import people
from cloister.keys.client import KeyClient
from cloister.keys.launch import reach
from cloister.keys.signing import verify
from cloister.ledger import HeadMemory, HeadStatus, Ledger, LedgerReader, check_head
from cloister.pipelines import recorded as pipelines
from cloister.proof.trust import LabKeys
from cloister.store import Store, open_backend
from cloister.sweeps import history as sweeps
from cloister.workflows.identify import Identifier
from cloister.workflows.lab import Lab
from cloister.workflows.people.policies import RecordedRules
from cloister.workflows.people.ruling import adopt
from cloister.workflows.recovery.drain import drain

_PACKAGES = (
    identity,
    datasets,
    labels,
    runs,
    models,
    tracking,
    recovery,
    jobs,
    pipelines,
    sweeps,
)
MIGRATIONS: tuple[Migration, ...] = (
    *ledger.MIGRATIONS,
    *store.MIGRATIONS,
    *(migration for package in _PACKAGES for migration in package.MIGRATIONS),
)
PROJECTIONS: Mapping[str, Projection] = {
    "lab.created": no_rows,
    "recovery.changed": no_rows,
    "copy.changed": no_rows,
    **ledger.PROJECTIONS,
    **{name: one for package in _PACKAGES for name, one in package.PROJECTIONS.items()},
}
TABLES: tuple[str, ...] = (
    *ledger.TABLES,
    *(table for package in _PACKAGES for table in package.TABLES),
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A lab and how its ledger stands to what this user saw before."""

    lab: Lab
    head: HeadStatus
    upgraded_from: str | None = None
    """Where the database is as an earlier release left it, if it was brought up to date."""


def read_keys(config: Config) -> LabKeys:
    """The public keys in the lab folder; raises KeyMissing, NotVerified for another lab's."""
    try:
        keys = LabKeys.parse((config.folder / "lab.pub").read_text())
    except FileNotFoundError as error:
        raise KeyMissing(
            "lab.pub is missing", hint="restore it from the recovery kit"
        ) from error
    # Heads are remembered by the log's name: under a new one, old memory would not be asked.
    if keys.log.name != f"{config.lab}/log":
        raise NotVerified(
            f"lab.pub is not this lab's: expected {config.lab}/log, found {keys.log.name}",
            hint="somebody replaced it: compare it with the recovery kit",
        )
    return keys


def connect(config: Config) -> KeyClient:
    """The key service, started if it does not run; raises Locked until it is unlocked."""
    client = reach(config.keys)
    if client.status().state != "open" or client.lease_held is None:
        raise Locked("the keys are locked", hint="open them with `cloister unlock`")
    return client


@dataclass(frozen=True, slots=True)
class Engines:
    """What a lab runs on, before anyone is at the door."""

    config: Config
    keys: KeyClient
    database: Database
    ledger: Ledger
    reader: LedgerReader
    store: Store
    memory: HeadMemory
    identifier: Identifier
    upgraded_from: str | None = None

    def lab(self, actor: Actor) -> Lab:
        """The lab as ``actor`` gets it."""
        return Lab(
            id=self.config.lab,
            folder=self.config.folder,
            runtime=self.config.runtime,
            private=self.config.private,
            database=self.database,
            ledger=self.ledger,
            reader=self.reader,
            store=self.store,
            keys=self.keys,
            clock=SystemClock(),
            randomness=secrets.token_bytes,
            actor=actor,
            identifier=self.identifier,
            grace_h=self.config.grace_h,
            rules=RecordedRules(self.database),
            two_persons=self.config.two_persons,
            queue=self.config.queue,
            pipelines=self.config.pipelines,
            tracking=self.config.tracking,
        )


@contextmanager
def engines(config: Config) -> Iterator[Engines]:
    """Everything started and connected; raises Locked, KeyMissing, NotVerified."""
    keys = connect(config)
    public = read_keys(config)
    if keys.public_keys() != {"log": public.log, "statement": public.statement}:
        raise NotVerified(
            "lab.pub does not hold the key service's keys",
            hint="somebody replaced it: compare it with the recovery kit",
        )
    log = Ledger(public.log.name, keys.signer("log"), PROJECTIONS, verify)
    before: list[str] = []
    database = open_database(
        config.database, MIGRATIONS, before_commit=log.seal, on_upgrade=before.append
    )
    objects = Store(open_backend(config.store), database)
    try:
        reader = LedgerReader(public.log, verify)
        memory = HeadMemory(config.heads)
        upgraded_from = before[0] if before else None
        identifier = Identifier(keys, SystemClock())
        yield Engines(
            config, keys, database, log, reader, objects, memory, identifier, upgraded_from
        )
    finally:
        objects.close()
        database.close()
        keys.close()


@contextmanager
def opened(config: Config, uid: int) -> Iterator[Opened]:
    """The lab, open for one command; its head is checked before, remembered before and after.

    What the command asked of the key service is on record when it ends well.

    Raises Locked, KeyMissing, NotVerified, LedgerForked, LedgerRolledBack, NotAllowed.
    """
    with engines(config) as parts:
        head = check_head(parts.reader, parts.database, parts.memory)
        with parts.database.read() as tx:
            known = people.actor_of_uid(tx, uid)
        actor = replace(known, present=not config.prove_at_machine)
        lab = parts.lab(actor)
        adopt(lab)
        try:
            yield Opened(lab, head, parts.upgraded_from)
            drain(lab)
        finally:
            check_head(parts.reader, parts.database, parts.memory)
