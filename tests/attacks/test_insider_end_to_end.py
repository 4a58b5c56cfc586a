"""Claim: whoever may change everything in the lab folder, and even holds the log's private
key, cannot change the lab's history without being refused by everyone who saw it before.

Through the real command line. What refuses is the head each user remembers outside the lab:
without that memory the same attacks are shown to pass, as decision 1 of the design says.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.app.platform import MIGRATIONS, PROJECTIONS
from cloister.core.events import Event
from cloister.core.signing import PublicKey, Signer
from cloister.db import open_database
from cloister.keys.signing import verify
from cloister.ledger import Ledger
from cloister.ledger.entry import event_of
from tests.attacks.killing import keys_folder, lab_folder
from tests.attacks.stolen_keys import StolenKey, opened_vault
from tests.conftest import Shell, add_scans, new_lab

pytestmark = pytest.mark.file_database
PASSPHRASE = b"correct horse battery staple"


@dataclass(frozen=True)
class Insider:
    """Rewrites lab.db with the platform's own code, signed with whatever key they hold."""

    folder: Path
    key: Signer

    def events(self) -> list[Event]:
        """The history as it stands."""
        with contextlib.closing(sqlite3.connect(self.folder / "lab.db")) as database:
            rows = database.execute("SELECT leaf FROM ledger_leaf ORDER BY position")
            return [event_of(leaf) for (leaf,) in rows]

    def tell(self, events: list[Event]) -> None:
        """Makes log, signed head and every row of every table tell this story instead."""
        told = self.folder / "told.db"
        ledger = Ledger(self.key.public_key.name, self.key, PROJECTIONS, verify)
        database = open_database(f"sqlite:{told}", MIGRATIONS, before_commit=ledger.seal)
        database.write(lambda tx: ledger.append(tx, events))
        database.close()
        with contextlib.closing(sqlite3.connect(told)) as made:
            made.execute("ATTACH ? AS before", (str(self.folder / "lab.db"),))
            made.execute("INSERT INTO placement SELECT * FROM before.placement")
            made.commit()
        for path in self.folder.glob("lab.db*"):
            path.unlink()
        told.rename(self.folder / "lab.db")


@dataclass(frozen=True)
class OwnKey:
    """A key of the insider's own, under any name."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, Insider]]:
    """A lab where one record was read, twice; and who stole its log key."""
    with new_lab() as shell:
        add_scans(shell)
        shutil.copytree(lab_folder(shell), shell.home / "older copy")
        for line in shell.json("ls", "data1")[:2]:
            shell("get", line["record"])
        place = tmp_path_factory.mktemp("stolen") / "keys"
        with opened_vault(keys_folder(shell), place, PASSPHRASE) as vault:
            key = StolenKey(vault.lab_keys)
            yield shell, Insider(lab_folder(shell), key)


@pytest.fixture
def lab(made: tuple[Shell, Insider], tmp_path: Path) -> Iterator[Shell]:
    """The lab as it honestly is; put back after each attack."""
    shell, _ = made
    for folder in (lab_folder(shell), heads(shell)):
        shutil.copytree(folder, tmp_path / folder.name)
    yield shell
    for folder in (lab_folder(shell), heads(shell)):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / folder.name, folder)


@pytest.fixture
def insider(made: tuple[Shell, Insider]) -> Insider:
    return made[1]


def heads(shell: Shell) -> Path:
    """Where this user's memory of the log is."""
    return shell.home / ".local/state/cloister/heads"


Attack = Callable[[Shell, Insider], None]


def a_row_is_altered(shell: Shell, insider: Insider) -> None:
    """They read another record than the log says: entry and row are altered alike."""
    events = insider.events()
    first, second = (n for n, event in enumerate(events) if _is_get(event))
    other = events[second].body["record"]
    body = events[first].body | {"record": other}
    events[first] = replace(events[first], body=body)
    insider.tell(events)


def _is_get(event: Event) -> bool:
    return event.type == "read.begun" and event.body["purpose"] == "get"


def the_log_is_recomputed(shell: Shell, insider: Insider) -> None:
    """Nobody ever read anything; the log is longer than before all the same."""
    events = [event for event in insider.events() if not event.type.startswith("read.")]
    insider.tell(events + _chatter(10))


def _chatter(number: int) -> list[Event]:
    """Entries that change no row: what filled the space before must be filled again."""
    reason = "nothing happened"
    return [
        Event("lab.created", f"2031-01-01T00:00:0{n}.000000Z", "nobody", reason, {"lab": "x"})
        for n in range(number)
    ]


def the_end_is_cut_off(shell: Shell, insider: Insider) -> None:
    """The last reading never happened."""
    insider.tell(insider.events()[:-2])


def an_older_copy_is_put_back(shell: Shell, insider: Insider) -> None:
    """No key is needed: every byte of it was signed once."""
    shutil.rmtree(insider.folder)
    shutil.copytree(shell.home / "older copy", insider.folder)


def an_older_copy_is_written_on(shell: Shell, insider: Insider) -> None:
    """Put back, then used until it is longer than what was seen, from a fresh home."""
    an_older_copy_is_put_back(shell, insider)
    own = {"XDG_STATE_HOME": str(shell.home / "state of the insider")}
    record = json.loads(shell("--json", "ls", "data1", env=own).stdout)[5]["record"]
    for _ in range(4):
        shell("get", record, env=own)
    shutil.rmtree(own["XDG_STATE_HOME"])


ATTACKS = [
    (a_row_is_altered, "E502"),
    (the_log_is_recomputed, "E502"),
    (the_end_is_cut_off, "E503"),
    (an_older_copy_is_put_back, "E503"),
    (an_older_copy_is_written_on, "E502"),
]
COMMANDS = [
    ("ls",),
    ("audit",),
    ("add", "scans", "--subject-pattern", "^(P[0-9]+)/"),
    ("get", "data1", "-o", "never"),
]


@pytest.mark.parametrize(("attack", "code"), ATTACKS)
def test_a_changed_history_is_refused_by_every_command_of_whoever_saw_it_before(
    lab: Shell, insider: Insider, attack: Attack, code: str
) -> None:
    attack(lab, insider)
    remembered = {path.name: path.read_bytes() for path in heads(lab).iterdir()}
    changed = (insider.folder / "lab.db").read_bytes()
    for words in COMMANDS * 2:  # the alarm does not switch itself off
        assert code in lab(*words, status=6).stderr, words
    assert {path.name: path.read_bytes() for path in heads(lab).iterdir()} == remembered
    assert (insider.folder / "lab.db").read_bytes() == changed  # and nothing is written to it
    assert not (lab.folder / "never").exists()


@pytest.mark.parametrize(("attack", "code"), ATTACKS)
def test_without_memory_of_earlier_heads_the_same_attack_passes(
    lab: Shell, insider: Insider, attack: Attack, code: str
) -> None:
    """So it is the memory that catches it. First contact says that it proves nothing."""
    attack(lab, insider)
    shutil.rmtree(heads(lab))
    report = lab.json("audit")
    assert report["whole"]
    assert report["head"] == "first contact"
    shutil.rmtree(heads(lab))
    assert "UNVERIFIED" in lab("audit").stdout
    shutil.rmtree(heads(lab))
    done = lab("ls")
    assert "UNVERIFIED" in done.stderr
    assert "data1" in done.stdout


def test_a_row_altered_beside_the_log_is_named_by_the_audit(lab: Shell) -> None:
    """No memory is needed where the log itself was left alone."""
    with contextlib.closing(sqlite3.connect(lab_folder(lab) / "lab.db")) as database:
        ((key,),) = database.execute("SELECT max(operation) FROM read")
        database.execute("UPDATE read SET purpose = 'care' WHERE operation = ?", (key,))
        database.commit()
    for remembering in (True, False):
        if not remembering:
            shutil.rmtree(heads(lab))
        done = lab("audit", status=6)
        assert "NOT WHOLE" in done.stdout
        assert key in done.stdout
        assert "E504" in done.stderr


def replaced_keys(shell: Shell, insider: Insider, name: str) -> None:
    """lab.pub holds the insider's own keys, and the log is signed with them."""
    own = OwnKey(name, Ed25519PrivateKey.generate())
    other = OwnKey(name.replace("log", "statement"), Ed25519PrivateKey.generate())
    Insider(insider.folder, own).tell(insider.events()[:-2])
    text = f"log {own.public_key.text()}\nstatement {other.public_key.text()}\n"
    (insider.folder / "lab.pub").write_text(text)


@pytest.mark.parametrize("same_name", [True, False])
def test_a_replaced_lab_pub_is_refused_with_and_without_keys(
    lab: Shell, insider: Insider, same_name: bool
) -> None:
    name = insider.key.public_key.name if same_name else "lab_aaaaaaaaaaaaaaaa/log"
    replaced_keys(lab, insider, name)
    for words in COMMANDS:
        assert "E504" in lab(*words, status=6).stderr, words
    lab("lock")
    assert "E504" in lab("audit", status=6).stderr  # which asks the key service nothing
    lab("unlock")


def test_the_key_service_refuses_a_replaced_lab_pub_even_at_first_contact(
    lab: Shell, insider: Insider
) -> None:
    replaced_keys(lab, insider, insider.key.public_key.name)
    shutil.rmtree(heads(lab))
    assert "lab.pub does not hold the key service's keys" in lab("ls", status=6).stderr
    assert "UNVERIFIED" in lab("audit").stdout  # which asks no keys: it proves nothing
