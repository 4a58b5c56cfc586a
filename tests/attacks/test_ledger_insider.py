"""Claim: an insider who may change everything in the lab folder cannot change its history
unnoticed; one who holds the log key as well is noticed by whoever remembers an earlier head.

The lab is a real SQLite file, changed with plain SQL by somebody who needs no ledger. Each
attack says what notices it: the audit, which compares the lab with itself and with the log
key, or only a head remembered outside. For the latter it is shown missed without memory.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloister.core.errors import LedgerForked, LedgerRolledBack, NotVerified, Tampered
from cloister.core.events import Event
from cloister.ledger import HeadMemory, HeadStatus, check_head, leaf_hash, root_of
from cloister.ledger.audit import FindingKind
from cloister.ledger.checkpoint import sign_head
from cloister.ledger.tree import Frontier
from tests.databases import database_uri, run_sql
from tests.ledger.lab import ORIGIN, TABLES, Lab, LogKey, event, note

CONSENTED = [note(f"patient {number}", "consented") for number in range(12)]


_UPSERT = """
    INSERT INTO note VALUES (?, ?, 1)
    ON CONFLICT (name) DO UPDATE SET words = excluded.words, times = note.times + 1
"""


class Insider:
    """Changes the lab's tables with whatever SQL they like, past all of the platform."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def change(self, sql: str, *values: object) -> None:
        run_sql(database_uri(self.path), sql, *values)

    def rewrite(self, events: list[Event], stolen: LogKey | None = None) -> None:
        """Makes log and tables tell another story; with the log key, a signed one."""
        leaves = [item.leaf() for item in events]
        hashes = [leaf_hash(leaf) for leaf in leaves]
        self.change("DELETE FROM ledger_leaf")
        self.change("DELETE FROM ledger_node")
        for index, leaf in enumerate(leaves):
            row = "INSERT INTO ledger_leaf VALUES (?, ?, ?)"
            self.change(row, index, hashes[index], leaf)
        for index, digest in enumerate(Frontier().extend(hashes)):
            self.change("INSERT INTO ledger_node VALUES (?, ?)", index, digest)
        root = root_of(hashes)
        signature = sign_head(ORIGIN, len(events), root, stolen or LogKey(bytes(32))).note
        head = "UPDATE ledger_head SET size = ?, root = ?, note = ?"
        self.change(head, len(events), root, signature)
        self.change("DELETE FROM note")
        for item in events:
            values = (item.body["name"], item.body["words"])
            self.change(_UPSERT, *values)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Twelve consents; the tests look at it again with `reopened`."""
    built = Lab(tmp_path / "lab.db")
    built.append(*CONSENTED)
    yield built
    built.close()


@pytest.fixture
def insider(lab: Lab) -> Insider:
    assert lab.path is not None
    return Insider(lab.path)


@pytest.fixture
def memory(lab: Lab, tmp_path: Path) -> HeadMemory:
    """What a client outside the lab remembers of the honest log."""
    kept = HeadMemory(tmp_path / "a client's own state")
    assert check_head(lab.reader, lab.database, kept) is HeadStatus.FIRST_CONTACT
    return kept


@pytest.fixture
def nobody(tmp_path: Path) -> HeadMemory:
    """A client that sees the log for the first time."""
    return HeadMemory(tmp_path / "nothing")


def kinds(lab: Lab, tables: tuple[str, ...] = TABLES) -> set[FindingKind]:
    return {finding.kind for finding in lab.audit(tables).findings}


def looks_sound_without_memory(lab: Lab, nobody: HeadMemory) -> None:
    report = lab.audit()
    assert report.sound, report.findings
    assert check_head(lab.reader, lab.database, nobody) is HeadStatus.FIRST_CONTACT


# What the audit notices, alone


def test_an_altered_row_is_caught_and_named(lab: Lab, insider: Insider) -> None:
    insider.change("UPDATE note SET words = 'refused' WHERE name = 'patient 3'")
    (finding,) = lab.audit().findings
    assert (finding.kind, finding.table, finding.key, finding.event) == (
        FindingKind.ROW,
        "note",
        ("patient 3",),
        3,
    )


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM note WHERE name = 'patient 3'",
        "INSERT INTO note VALUES ('patient 99', 'consented', 1)",
        "UPDATE note SET name = 'patient 99' WHERE name = 'patient 3'",
    ],
    ids=["deleted", "invented", "renamed"],
)
def test_a_row_added_or_removed_is_caught(lab: Lab, insider: Insider, sql: str) -> None:
    insider.change(sql)
    assert kinds(lab) == {FindingKind.ROW}


def test_an_altered_leaf_is_caught_and_named(lab: Lab, insider: Insider) -> None:
    forged = note("patient 3", "refused").leaf()
    insider.change("UPDATE ledger_leaf SET leaf = ? WHERE position = 3", forged)
    finding = lab.audit(tables=()).findings[0]
    assert (finding.kind, finding.event) == (FindingKind.ENTRY, 3)


def test_a_leaf_altered_together_with_its_hash_and_its_row_is_caught(
    lab: Lab, insider: Insider
) -> None:
    forged = note("patient 3", "refused").leaf()
    sql = "UPDATE ledger_leaf SET leaf = ?, hash = ? WHERE position = 3"
    insider.change(sql, forged, leaf_hash(forged))
    insider.change("UPDATE note SET words = 'refused' WHERE name = 'patient 3'")
    assert kinds(lab) == {FindingKind.NODE, FindingKind.HEAD}


def test_a_leaf_altered_with_every_hash_above_it_is_caught_by_the_signed_head(
    lab: Lab, insider: Insider
) -> None:
    honest = lab.head()
    story = [*CONSENTED[:3], note("patient 3", "refused"), *CONSENTED[4:]]
    insider.rewrite(story)
    row = "UPDATE ledger_head SET size = ?, root = ?, note = ?"
    insider.change(row, honest.size, honest.root, honest.note)  # the only signature they have
    assert kinds(lab) == {FindingKind.HEAD}


def test_a_dropped_leaf_is_caught_and_named(lab: Lab, insider: Insider) -> None:
    insider.change("DELETE FROM ledger_leaf WHERE position = 3")
    finding = lab.audit(tables=()).findings[0]
    assert (finding.kind, finding.event) == (FindingKind.ENTRY, 3)
    assert finding.message == "entry 3 is missing: the next one there is 4"


def test_a_dropped_leaf_with_the_others_moved_up_is_caught(lab: Lab, insider: Insider) -> None:
    insider.change("DELETE FROM ledger_leaf WHERE position = 3")
    insider.change("UPDATE ledger_leaf SET position = position - 1 WHERE position > 3")
    assert FindingKind.NODE in kinds(lab)


def test_two_swapped_leaves_are_caught(lab: Lab, insider: Insider) -> None:
    for old, new in ((3, -1), (4, 3), (-1, 4)):
        insider.change("UPDATE ledger_leaf SET position = ? WHERE position = ?", new, old)
    assert lab.audit(tables=()).findings[0].kind is FindingKind.NODE


def test_a_truncated_tail_is_caught_and_named(lab: Lab, insider: Insider) -> None:
    insider.change("DELETE FROM ledger_leaf WHERE position >= 9")
    insider.change("DELETE FROM note WHERE name IN ('patient 9', 'patient 10', 'patient 11')")
    finding = lab.audit().findings[0]
    assert (finding.kind, finding.event) == (FindingKind.ENTRY, 9)


def test_a_rewritten_log_signed_with_another_key_is_caught(lab: Lab, insider: Insider) -> None:
    insider.rewrite(CONSENTED[:6], LogKey(bytes(32)))
    assert kinds(lab) == {FindingKind.HEAD}


def test_a_log_under_another_name_does_not_pass_for_first_contact(
    lab: Lab, insider: Insider, memory: HeadMemory
) -> None:
    """Signed with the stolen key, but under an origin that no client remembers."""
    fresh = "lab_fresh/log"
    root = root_of(leaf_hash(item.leaf()) for item in CONSENTED[:6])
    body = f"{fresh}\n6\n{base64.b64encode(root).decode()}\n"
    signature = lab.key.public_key.key_hash + lab.key.sign(body.encode())
    line = f"— {ORIGIN} {base64.b64encode(signature).decode()}\n"
    insider.rewrite(CONSENTED[:6], lab.key)
    insider.change("UPDATE ledger_head SET note = ?", f"{body}\n{line}")
    with pytest.raises(NotVerified, match="another log"):
        check_head(lab.reader, lab.database, memory)


def test_an_entry_without_a_signature_does_not_become_history_with_the_next_commit(
    lab: Lab, insider: Insider
) -> None:
    """The insider lacks the key and lets the honest program sign for them."""
    forged = note("patient 12", "consented").leaf()
    insider.change("INSERT INTO ledger_leaf VALUES (12, ?, ?)", leaf_hash(forged), forged)
    with pytest.raises(Tampered):
        lab.append(note("patient 13", "consented"))
    assert lab.head().size == 12


def test_a_rewritten_log_does_not_get_its_signature_from_the_honest_program(
    lab: Lab, insider: Insider
) -> None:
    """Everything is rewritten consistently, but for the signature that they cannot make."""
    insider.rewrite(CONSENTED[:6])
    restarted = Lab(lab.path, lab.key)
    with pytest.raises(NotVerified):
        restarted.append(note("patient 12", "consented"))
    restarted.close()


# What only a remembered head notices: the insider holds the log key, or an old signed head


def rewritten(lab: Lab, insider: Insider) -> None:
    story = [*CONSENTED[:3], note("patient 3", "refused"), *CONSENTED[4:]]
    insider.rewrite(story, stolen=lab.key)


def rewritten_and_longer(lab: Lab, insider: Insider) -> None:
    insider.rewrite([*CONSENTED[1:], *CONSENTED], stolen=lab.key)


def emptied_and_begun_again(lab: Lab, insider: Insider) -> None:
    insider.rewrite([note("patient 0", "refused")], stolen=lab.key)


def tail_cut_and_signed(lab: Lab, insider: Insider) -> None:
    insider.rewrite(CONSENTED[:9], stolen=lab.key)


@pytest.mark.parametrize(
    ("attack", "refusal"),
    [
        (rewritten, LedgerForked),
        (rewritten_and_longer, LedgerForked),
        (emptied_and_begun_again, LedgerRolledBack),
        (tail_cut_and_signed, LedgerRolledBack),
    ],
)
def test_a_log_signed_again_with_the_stolen_key_is_caught_by_memory_alone(
    lab: Lab,
    insider: Insider,
    memory: HeadMemory,
    nobody: HeadMemory,
    attack: Callable[[Lab, Insider], None],
    refusal: type[Exception],
) -> None:
    attack(lab, insider)
    looks_sound_without_memory(lab, nobody)
    with pytest.raises(refusal):
        check_head(lab.reader, lab.database, memory)


@pytest.mark.file_database
def test_an_old_backup_put_back_is_caught_by_memory_alone(
    lab: Lab, memory: HeadMemory, nobody: HeadMemory, tmp_path: Path
) -> None:
    """No key needed: every byte of a backup was signed once."""
    backup = tmp_path / "backup.db"
    with contextlib.closing(sqlite3.connect(backup)) as target:
        assert lab.path is not None
        with contextlib.closing(sqlite3.connect(lab.path)) as source:
            source.backup(target)
    lab.append(note("patient 3", "withdrew consent"))
    check_head(lab.reader, lab.database, memory)
    restored = Lab(backup, lab.key)
    looks_sound_without_memory(restored, nobody)
    with pytest.raises(LedgerRolledBack):
        check_head(restored.reader, restored.database, memory)
    restored.append(note("patient 12", "consented"), note("patient 13", "consented"))
    with pytest.raises(LedgerForked):  # written on, until it is longer than what was seen
        check_head(restored.reader, restored.database, memory)
    restored.close()


@pytest.mark.file_database
def test_a_log_forked_to_two_clients_is_caught_when_either_sees_the_other(
    lab: Lab, tmp_path: Path
) -> None:
    assert lab.path is not None
    lab.close()
    shutil.copy(lab.path, tmp_path / "for the auditor.db")
    ward, auditor = Lab(lab.path, lab.key), Lab(tmp_path / "for the auditor.db", lab.key)
    memories = {side: HeadMemory(tmp_path / side) for side in ("ward", "auditor")}
    for side, name in ((ward, "ward"), (auditor, "auditor")):
        side.append(note("patient 3", f"what the {name} shall see"))
        looks_sound_without_memory(side, memories[name])
        assert check_head(side.reader, side.database, memories[name]) is HeadStatus.EXTENDS
    for side, other in ((ward, "auditor"), (auditor, "ward")):
        with pytest.raises(LedgerForked):
            check_head(side.reader, side.database, memories[other])
    ward.close()
    auditor.close()


def test_a_memory_that_refused_keeps_refusing(
    lab: Lab, insider: Insider, memory: HeadMemory
) -> None:
    """An alarm must not switch itself off."""
    honest = memory.last(ORIGIN)
    rewritten(lab, insider)
    for _ in range(2):
        with pytest.raises(LedgerForked):
            check_head(lab.reader, lab.database, memory)
    assert memory.last(ORIGIN) == honest


def test_a_date_in_the_past_does_not_put_an_entry_into_the_past(
    lab: Lab, memory: HeadMemory
) -> None:
    """The clock is set back to invent an old consent: its place shows when it was written."""
    seen = check_head(lab.reader, lab.database, memory)
    lab.append(event("note.written", "2020-01-01T00:00:00.000000Z", name="p", words="old"))
    report = lab.audit()
    assert report.sound  # honestly signed: no damage
    (warning,) = report.warnings
    assert "entry 12 is dated 2020-01-01" in warning
    assert seen is HeadStatus.EXTENDS
    before = lab.reader.open(memory.last(ORIGIN) or "")
    assert before.size == 12  # a client that remembers a head knows it came later
