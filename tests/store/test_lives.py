"""Random lives of a store: adds, failed transactions, kills at any step, reopenings."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.store import Namespace, Placement, Store
from cloister.store.layout import SMALL_BYTES
from cloister.testing.backend_machine import in_a_child
from tests.store.small_store import SmallStore, small_store

_OBJECTS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.integers(0, 3).map(lambda n: bytes([n]) * (SMALL_BYTES + n)),
    ),
    max_size=5,
)
_NAMESPACES = st.sampled_from(["raw", "derived"])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class StoreMachine(RuleBasedStateMachine):
    """The model is a dictionary of what was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cloister-lives-"))
        self.open = ExitStack()
        self.lab = self.opened()
        self.acknowledged: dict[str, bytes] = {}

    def opened(self) -> SmallStore:
        return self.open.enter_context(small_store(self.folder / "lab"))

    @rule(objects=_OBJECTS, namespace=_NAMESPACES)
    def add(self, objects: list[bytes], namespace: Namespace) -> None:
        for name, sealed in zip(self.lab.keep(objects, namespace), objects, strict=True):
            self.acknowledged[name] = sealed

    @rule(objects=_OBJECTS)
    def add_and_fail_to_record(self, objects: list[bytes]) -> None:
        def fails(tx: Transaction) -> None:
            self.lab.store.place(tx, placements)
            raise BadInput("no event, no rows")

        with self.lab.store.writer("derived") as writer:
            for sealed in objects:
                writer.add(sealed)
            placements = writer.flush()
        try:
            self.lab.database.write(fails)
        except BadInput:
            return
        raise AssertionError("the failure was lost")

    @rule(objects=_OBJECTS, step=st.sampled_from(["added", "flushed", "placing", "placed"]))
    def add_and_die(self, objects: list[bytes], step: str) -> None:
        self.open.close()  # SQLite's locks do not survive a fork
        in_a_child(lambda: self.live_until(step, objects))
        self.lab = self.opened()
        if step == "placed":
            names = [hashlib.sha256(sealed).hexdigest() for sealed in objects]
            self.acknowledged.update(zip(names, objects, strict=True))

    def live_until(self, step: str, objects: list[bytes]) -> None:
        with small_store(self.folder / "lab") as lab, lab.store.writer("raw") as writer:
            for sealed in objects:
                writer.add(sealed)
            if step == "added":
                die()
            placements = writer.flush()
            if step == "flushed":
                die()
            lab.database.write(lambda tx: place(lab.store, tx, placements, step))
            die()

    @rule()
    def reopen(self) -> None:
        self.open.close()
        self.lab = self.opened()
        assert list((self.folder / "lab/store/.incoming").iterdir()) == []

    @rule()
    def scrub(self) -> None:
        report = self.lab.store.scrub()
        assert report.problems == 0
        assert report.objects == len(self.acknowledged)

    @rule()
    def lose_the_index(self) -> None:
        before = {p.name: p for p in self.lab.placements()}
        self.lab.sql("DELETE FROM placement")
        self.lab.store.rebuild_placements()
        after = {p.name: p for p in self.lab.placements()}
        assert before.keys() <= after.keys()
        self.holds_what_was_acknowledged()
        self.lab.sql("DELETE FROM placement")
        rows = [(p.name, p.blob, p.start_byte, p.size_bytes) for p in before.values()]
        self.lab.database.write(
            lambda tx: tx.execute_many("INSERT INTO placement VALUES (?, ?, ?, ?)", rows)
        )

    @invariant()
    def holds_what_was_acknowledged(self) -> None:
        assert dict(self.lab.store.read_many(self.acknowledged)) == self.acknowledged

    @invariant()
    def shows_nothing_else(self) -> None:
        assert {p.name for p in self.lab.placements()} == self.acknowledged.keys()

    def teardown(self) -> None:
        self.open.close()
        shutil.rmtree(self.folder)


def place(store: Store, tx: Transaction, placements: list[Placement], step: str) -> None:
    store.place(tx, placements)
    if step == "placing":
        die()


StoreMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=12)
TestStoreLives = StoreMachine.TestCase
