"""Random lives of an object backend, with kills in the middle of puts and reopenings."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cloister.core.errors import NotFound, WriteOnce
from cloister.store.backend import Backend
from cloister.testing.clock import ManualClock

_KEYS = st.sampled_from(["raw/a", "raw/b/c", "raw/b/d", "derived/a"])
_CHUNKS = st.lists(st.binary(max_size=40), max_size=4)


class BackendMachine(RuleBasedStateMachine):
    """Compares a backend with a dictionary; subclass it and give `reopen`.

    ``reopen`` is called once to begin, and again after every kill: it must give a new object
    over the same blobs.
    """

    clock: ManualClock
    reopen: Callable[[], Backend]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.begin()
        self.backend = self.reopen()
        self.blobs: dict[str, bytes] = {}
        self.retained: dict[str, datetime] = {}

    def begin(self) -> None:
        """Prepares an empty place; `reopen` follows."""

    @rule(key=_KEYS, chunks=_CHUNKS)
    def put(self, key: str, chunks: list[bytes]) -> None:
        first = self.backend.put_if_absent(key, iter(chunks))
        assert first == (key not in self.blobs)
        self.blobs.setdefault(key, b"".join(chunks))

    @rule(key=_KEYS, chunks=_CHUNKS)
    def put_and_die_before_the_end(self, key: str, chunks: list[bytes]) -> None:
        in_a_child(lambda: self.backend.put_if_absent(key, _deadly(chunks)))
        self.backend = self.reopen()

    @rule()
    def start_again(self) -> None:
        self.backend = self.reopen()

    @rule(key=_KEYS)
    def delete(self, key: str) -> None:
        try:
            self.backend.delete(key)
        except NotFound:
            assert key not in self.blobs
        except WriteOnce:
            assert self.retained[key] > self.clock.now()
        else:
            assert self.retained.get(key, self.clock.now()) <= self.clock.now()
            del self.blobs[key]

    @rule(key=_KEYS, days=st.integers(-2, 5))
    def retain(self, key: str, days: int) -> None:
        until = self.clock.now() + timedelta(days=days)
        try:
            self.backend.retain([key], until)
        except NotFound:
            assert key not in self.blobs
        else:
            self.retained[key] = max(until, self.retained.get(key, until))

    @rule(days=st.integers(1, 3))
    def wait(self, days: int) -> None:
        self.clock.advance(timedelta(days=days))

    @invariant()
    def holds_what_was_put_and_nothing_else(self) -> None:
        assert list(self.backend.list("")) == sorted(self.blobs)
        for key, content in self.blobs.items():
            assert self.backend.get(key, 0, 1000) == content
            stat = self.backend.stat(key)
            assert (stat.size_bytes, stat.retained_until) == (
                len(content),
                self.retained.get(key),
            )


def in_a_child(deadly: Callable[[], object]) -> None:
    """Runs what kills its own process in a child, and waits for its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads: the child only dies
        pid = os.fork()
    if pid == 0:
        try:
            deadly()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the child should have killed itself"


def _deadly(chunks: list[bytes]) -> Iterator[bytes]:
    yield from chunks
    os.kill(os.getpid(), signal.SIGKILL)
