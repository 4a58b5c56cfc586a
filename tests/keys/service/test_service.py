"""Any request gets a reply; only permitted ones get an answer; each is noted."""

from __future__ import annotations

import os
import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloister.core.errors import IntegrityError
from cloister.core.ids import RunId, SubjectId
from cloister.keys import wire
from cloister.keys.journal import check_journal
from cloister.keys.service import calls
from cloister.keys.service.journal import Journal, Request
from cloister.keys.service.service import Service
from cloister.keys.service.vault import Vault
from cloister.keys.values import ALL_VERBS, JournalEntry
from tests.keys.service.conftest import PASSPHRASE, TurnedClock

UID = os.geteuid()


@pytest.fixture
def service(vault: Vault, clock: TurnedClock) -> Service:
    return Service(vault, clock, frozenset({UID}), memory_locked=True)


@pytest.fixture
def token(service: Service) -> bytes:
    reply = ask(service, "unlock", passphrase=PASSPHRASE.secret.decode())
    return bytes(reply["value"]["token"])


def ask(service: Service, verb: Any, token: Any = b"", /, **arguments: Any) -> dict[str, Any]:
    request = {"v": wire.PROTOCOL, "verb": verb, "lease": token, "arguments": arguments}
    return service.answer(request, UID)


def journal(service: Service, token: bytes) -> list[JournalEntry]:
    entries = ask(service, "journal", token, after=0, limit=1000)["value"]
    return [JournalEntry(**entry) for entry in entries]


LEAF = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63)
    | st.binary(max_size=40)
    | st.text(max_size=40)
)
JUNK = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = [
    "requests", "refs", "owners", "owner", "identities", "create", "kind", "purpose", "verbs",
    "message", "names", "lifetime_days", "lifetime_s", "fingerprints", "token", "path", "after",
    "limit", "old", "new", "code", "lab", "words",
]  # fmt: skip
SAFE_VERBS = sorted(set(calls._VERBS) - {"lock", "unlock", "recover", "change-passphrase"})


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    verb=st.sampled_from(SAFE_VERBS) | JUNK,
    arguments=st.dictionaries(st.sampled_from(NAMES), JUNK) | JUNK,
)
def test_any_junk_gets_a_reply(
    service: Service, token: bytes, verb: Any, arguments: Any
) -> None:
    request = {"v": wire.PROTOCOL, "verb": verb, "lease": token, "arguments": arguments}
    reply = service.answer(request, UID)
    assert set(reply) in ({"ok", "value"}, {"ok", "code", "message", "hint"})
    assert not service.stopping.is_set()


@given(request=st.dictionaries(st.sampled_from(["v", "verb", "lease", "arguments"]), JUNK))
@settings(suppress_health_check=list(HealthCheck))
def test_any_map_gets_a_reply(service: Service, request: dict[str, Any]) -> None:
    assert "ok" in service.answer(request, UID)


def test_every_verb_but_those_that_prove_themselves_needs_a_lease(
    service: Service, token: bytes
) -> None:
    run = RunId.new(secrets.token_bytes)
    some = {
        "requests": [[run, None]], "refs": [[run, b"s" * 16, b"w" * 61]], "owners": [run],
        "owner": run, "identities": [["a", "b"]], "create": True, "kind": "run",
        "purpose": "log", "verbs": [], "message": b"m", "names": ["x"], "lifetime_days": 1,
        "lifetime_s": 1, "fingerprints": [[run, b"f" * 32, "n"]], "token": b"t", "path": "/",
        "after": 0, "limit": 1, "order": "keep", "folder": "/x", "words": ["x"], "count": 1,
    }  # fmt: skip
    free = {"create", "unlock", "recover", "change-passphrase", "split", "check-shares"}
    public = {"public-keys", "ca-certificate"}
    for verb in sorted(set(calls._VERBS) - free - public):
        for shown in (b"", bytes(32), None, "text", 7):
            reply = ask(service, verb, shown, **some)
            assert reply.get("code") == "E201", verb
    assert ask(service, "stop")["code"] == "E201"
    assert not service.stopping.is_set()


def test_each_verb_is_in_a_lease_of_its_own(service: Service, token: bytes) -> None:
    """A lease with all verbs but the one that is asked for is refused it."""
    subject = ask(service, "subjects", token, identities=[["a", "b"]], create=True)["value"][0]
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "subjects": ("subjects", {"identities": [["a", "b"]], "create": False}),
        "identities": ("identities", {"owners": [subject]}),
        "recognise": ("recognise", {"words": ["b"]}),
        "owners": ("new-owner", {"kind": "run"}),
        "grants": ("grants", {"requests": [[subject, None]]}),
        "remember": ("remember", {"fingerprints": [[subject, b"f" * 32, "n"]]}),
        "open": ("open", {"refs": []}),
        "rewrap": ("rewrap", {"refs": [], "owner": subject}),
        "sign-log": ("sign", {"purpose": "log", "message": b"m"}),
        "sign-statement": ("sign", {"purpose": "statement", "message": b"m"}),
        "certificate": ("certificate", {"names": ["localhost"], "lifetime_days": 1}),
        "erase": ("erase", {"owners": [subject]}),
        "journal": ("journal", {"after": 0, "limit": 1}),
        "probe": ("probe", {"path": "/nowhere"}),
        "lease": (
            "lease",
            {"purpose": "x", "verbs": [], "owners": None, "lifetime_s": 1},
        ),
        "copy": ("copy", {"order": "suspend", "folder": ""}),
        "lock": ("lock", {}),
        "stop": ("stop", {}),
    }
    assert set(asked) == ALL_VERBS
    for permitted, (verb, arguments) in asked.items():
        others = sorted(ALL_VERBS - {permitted})
        lease = ask(
            service, "lease", token, purpose="x", verbs=others, owners=None, lifetime_s=60
        )
        reply = ask(service, verb, lease["value"]["token"], **arguments)
        assert reply.get("code") == "E201", permitted


def test_other_uids_are_refused_and_noted(service: Service, token: bytes) -> None:
    refusal = service.refusal(UID + 1)
    assert refusal is not None
    assert refusal["code"] == "E201"
    assert service.refusal(UID) is None
    last = journal(service, token)[-1]
    assert (last.uid, last.verb, last.outcome) == (UID + 1, "connect", "E201")


def test_journal_names_who_asked_for_whom_and_what_came_of_it(
    service: Service, token: bytes
) -> None:
    subject = ask(service, "subjects", token, identities=[["ward", "Jane"]], create=True)
    name = SubjectId.parse(subject["value"][0])
    grant = ask(service, "grants", token, requests=[[name, None]])["value"][0]
    ask(service, "open", token, refs=[[name, grant[0], grant[2]]])
    ask(service, "open", token, refs=[[name, grant[0], bytes(61)]])
    ask(service, "erase", token, owners=[name])
    entries = journal(service, token)
    told = [(entry.purpose, entry.verb, entry.outcome, entry.owners) for entry in entries]
    assert told[1:] == [
        ("owner", "subjects", "ok", ()),
        ("owner", "grants", "ok", (name,)),
        ("owner", "open", "ok", (name,)),
        ("owner", "open", "E501", (name,)),
        ("owner", "erase", "begun", (name,)),
        ("owner", "erase", "ok", (name,)),
    ]
    assert "Jane" not in repr(entries)


def test_altered_dropped_or_reordered_journal_is_noticed(
    service: Service, token: bytes
) -> None:
    for _ in range(5):
        ask(service, "new-owner", token, kind="run")
    entries = journal(service, token)
    number, digest = check_journal(entries[:3])
    assert check_journal(entries[3:], number, digest)[0] == len(entries)
    one = entries[2]
    forged = JournalEntry(
        one.number, one.time, one.uid, one.purpose, one.verb, "E201", one.count, (), one.digest
    )
    for changed in (
        [*entries[:2], forged, *entries[3:]],
        [*entries[:2], *entries[3:]],
        [entries[0], entries[2], entries[1], *entries[3:]],
        entries[1:],
    ):
        with pytest.raises(IntegrityError):
            check_journal(changed)


def test_long_journal_comes_in_parts_that_fit_a_message(
    vault: Vault, clock: TurnedClock
) -> None:
    journal, owners = Journal(vault.store, clock), [f"sub_{n:016}" for n in range(90_000)]
    for _ in range(5):
        journal.add(Request(0, "owner", "open", len(owners), owners), "ok")
    seen: list[JournalEntry] = []
    while part := journal.entries(len(seen), 100):
        assert len(part) <= 2
        seen += part
    assert check_journal(seen)[0] == 5


def test_failed_disk_stops_the_service(
    service: Service, token: bytes, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloister.core.errors import DurabilityLost
    from cloister.keys.service import vault as module

    def lost(*_: object) -> None:
        raise DurabilityLost("the disk failed")

    subject = ask(service, "new-owner", token, kind="run")["value"]
    monkeypatch.setattr(module, "rotate", lost)
    assert ask(service, "erase", token, owners=[subject])["code"] == "E600"
    assert service.stopping.is_set()
    assert service.failed
