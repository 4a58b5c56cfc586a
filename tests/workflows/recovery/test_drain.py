"""The key service's journal, drained into the ledger."""

from __future__ import annotations

import sqlite3
from typing import Any

from tests.conftest import Shell


def entries(shell: Shell) -> list[tuple[Any, ...]]:
    return shell.sql("SELECT first, last, refused FROM key_use ORDER BY idx")


def test_what_a_command_asked_of_the_keys_is_on_record(scans: Shell) -> None:
    before = entries(scans)
    assert before
    scans("ls", "data1")  # opens names: the key service was asked
    after = entries(scans)
    assert len(after) == len(before) + 1
    assert after[-1][0] == before[-1][1] + 1  # no gap


def test_an_altered_journal_is_noticed(scans: Shell) -> None:
    scans("lock", "--stop")
    keystore = next((scans.home / ".local/share/cloister").glob("*/keystore.db"))
    with sqlite3.connect(keystore) as database:
        database.execute("DELETE FROM journal WHERE number > 3")
    scans("unlock")
    assert "E500" in scans("ls", "data1", status=6).stderr
