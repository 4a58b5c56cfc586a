"""Random lives of a database, with kills in the middle of writes and reopenings."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cloister.core.errors import Conflict
from cloister.core.events import Transaction
from cloister.db import Database
from cloister.testing.backend_machine import in_a_child
from cloister.testing.database_suite import add, words

_TEXTS = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=4, unique=True)


class DatabaseMachine(RuleBasedStateMachine):
    """Compares a database with a list; subclass it and give `reopen`.

    ``reopen`` gives a new object over the same database; it is called once to begin, and
    again after every kill, also in the child that is going to die. It passes its options on
    to `open_database`.
    """

    reopen: Callable[..., Database]

    def __init__(self) -> None:
        super().__init__()
        self.begin()
        self.database = self.reopen()
        self.words: list[str] = []

    def begin(self) -> None:
        """Prepares an empty place; `reopen` follows."""

    @rule(texts=_TEXTS)
    def write(self, texts: list[str]) -> None:
        try:
            self.database.write(lambda tx: [add(text)(tx) for text in texts])
        except Conflict:
            assert set(texts) & set(self.words)
        else:
            self.words += texts

    @rule(texts=_TEXTS)
    def remove(self, texts: list[str]) -> None:
        sql = "DELETE FROM word WHERE text = ?"
        rows = [(text,) for text in texts]
        self.database.write(lambda tx: tx.execute_many(sql, rows))
        self.words = [text for text in self.words if text not in texts]

    @rule(texts=_TEXTS)
    def die_before_the_commit(self, texts: list[str]) -> None:
        def deadly(tx: Transaction) -> None:
            tx.execute("DELETE FROM word")
            for text in texts:
                add(text)(tx)
            _die()

        in_a_child(lambda: self.reopen().write(deadly))
        self.start_again()

    @rule(text=st.sampled_from("klmnop"))
    def die_after_the_commit(self, text: str) -> None:
        if text in self.words:
            return
        in_a_child(lambda: self.reopen(after_commit=_die).write(add(text)))
        self.words.append(text)
        self.start_again()

    @rule()
    def start_again(self) -> None:
        self.database.close()
        self.database = self.reopen()

    @invariant()
    def holds_what_was_acknowledged_and_nothing_else(self) -> None:
        assert words(self.database) == self.words

    def teardown(self) -> None:
        self.database.close()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
