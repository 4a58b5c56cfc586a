"""Claim: the key service answers leases of the right user only, and nobody else holds keys."""

from __future__ import annotations

import ast
import os
import resource
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloister.core.errors import Conflict, KeyServiceDown, NotAllowed
from cloister.core.ids import KeyId, RunId, SubjectId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys import KeyClient, launch, wire
from cloister.keys.values import GrantRequest, Lease
from cloister.testing.keyd import PASSPHRASE, make_keys, running_keyd

SOURCE = Path(__file__).parents[2] / "src" / "cloister"
PRIVATE = ("cloister.keys.service", "cloister.keys.providers")
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")


@pytest.fixture(scope="module")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab") / "keys"


@pytest.fixture(scope="module")
def keyd(keys_folder: Path) -> Iterator[KeyClient]:
    with running_keyd(keys_folder, keys_folder.with_name("run") / "keyd.sock") as client:
        yield client


def granted(keyd: KeyClient) -> KeyGrant:
    return keyd.grants([GrantRequest(keyd.new_owner(RunId))])[0].key


def ref(grant: KeyGrant) -> KeyRef:
    return KeyRef(grant.owner, grant.seal_id, grant.wrap)


@contextmanager
def holding(keyd: KeyClient, lease: Lease | None) -> Iterator[KeyClient]:
    with KeyClient(keyd.socket_path, lease) as client:
        yield client


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def connected(keyd: KeyClient) -> socket.socket:
    """A bare connection, to send anything over."""
    stream = socket.socket(socket.AF_UNIX)
    with wire.reachable(keyd.socket_path) as name:
        stream.connect(name)
    stream.settimeout(10)
    return stream


def test_right_user_without_a_lease_gets_nothing(keyd: KeyClient) -> None:
    grant = granted(keyd)
    with holding(keyd, None) as client:
        assert client.status().state == "open"
        for attempt in (
            lambda: client.open([ref(grant)]),
            lambda: client.grants([GrantRequest(grant.owner)]),
            lambda: client.sign("log", b"a head of my own"),
            lambda: client.erase([grant.owner]),
            lambda: client.subjects([("ward", "1")], create=False),
            lambda: client.server_certificate(["localhost"], 1),
            lambda: client.lease("x", ["open"], None, 60),
            client.lock,
            client.stop,
        ):
            with pytest.raises(NotAllowed):
                attempt()
    assert keyd.open([ref(grant)]) == [grant.object_key]


def test_guessed_lease_gets_nothing(keyd: KeyClient) -> None:
    lease = keyd.lease("job", ["open"], None, 60)
    guess = bytes([lease.token[0] ^ 1]) + lease.token[1:]
    forged = Lease(guess, "job", lease.verbs, None, 60, lease.generation)
    with holding(keyd, forged) as client, pytest.raises(NotAllowed):
        client.open([ref(granted(keyd))])


def test_lease_for_one_owner_does_not_open_another(keyd: KeyClient) -> None:
    mine, other = granted(keyd), granted(keyd)
    lease = keyd.lease("job", ["open", "grants"], [mine.owner], 60)
    with holding(keyd, lease) as client:
        assert client.open([ref(mine)]) == [mine.object_key]
        for refs in ([ref(other)], [ref(mine), ref(other)]):
            with pytest.raises(NotAllowed):
                client.open(refs)
        with pytest.raises(NotAllowed):
            client.grants([GrantRequest(other.owner)])
        with pytest.raises(NotAllowed):
            client.subjects([("ward", "1")], create=True)


def test_lease_cannot_be_widened_by_its_holder(keyd: KeyClient) -> None:
    mine, other = granted(keyd), granted(keyd)
    lease = keyd.lease("job", ["open", "lease"], [mine.owner], 60)
    wider: list[tuple[list[str], list[KeyId] | None]] = [
        (["erase"], [mine.owner]),
        (["open"], None),
        (["open"], [mine.owner, other.owner]),
    ]
    with holding(keyd, lease) as client:
        for verbs, owners in wider:
            with pytest.raises(NotAllowed):
                client.lease("wider", verbs, owners, 30)


def test_expired_lease_is_refused(keyd: KeyClient) -> None:
    grant = granted(keyd)
    lease = keyd.lease("job", ["open"], None, 4)
    with holding(keyd, lease) as client:
        assert client.open([ref(grant)]) == [grant.object_key]
        time.sleep(4.1)
        with pytest.raises(NotAllowed, match="expired"):
            client.open([ref(grant)])


def test_revoked_lease_is_refused(keyd: KeyClient) -> None:
    lease = keyd.lease("job", ["open"], None, 60)
    keyd.revoke(lease)
    with holding(keyd, lease) as client, pytest.raises(NotAllowed):
        client.open([ref(granted(keyd))])


def test_leases_do_not_survive_a_lock(tmp_path: Path) -> None:
    with running_keyd(tmp_path / "keys", tmp_path / "run" / "keyd.sock") as keyd:
        before = keyd.lease_held
        grant = granted(keyd)
        keyd.lock()
        keyd.unlock(PASSPHRASE)
        with holding(keyd, before) as client, pytest.raises(NotAllowed):
            client.open([ref(grant)])


@as_root
def test_another_user_cannot_reach_the_socket(keyd: KeyClient) -> None:
    assert keyd.socket_path.stat().st_mode & 0o777 == 0o600
    assert keyd.socket_path.parent.stat().st_mode & 0o777 == 0o700
    with (
        holding(keyd, keyd.lease_held) as client,
        acting_as(NOBODY),
        pytest.raises(KeyServiceDown),
    ):
        client.status()


@as_root
def test_another_user_is_refused_even_with_a_stolen_lease() -> None:
    """The socket's mode gone wrong, and the owner's lease in the wrong hands."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_keyd(Path(folder, "keys"), Path(folder, "run", "keyd.sock")) as keyd,
    ):
        grant = granted(keyd)
        for path in (Path(folder), keyd.socket_path.parent, keyd.socket_path):
            path.chmod(0o777)
        with holding(keyd, keyd.lease_held) as client, acting_as(NOBODY):
            for attempt in (lambda: client.open([ref(grant)]), client.status):
                with pytest.raises(NotAllowed, match=f"uid {NOBODY}"):
                    attempt()
        refused = [e for e in keyd.journal(0, 1000) if e.uid == NOBODY]
        assert [entry.outcome for entry in refused] == ["E201", "E201"]


@as_root
def test_another_users_process_in_the_key_services_place_gets_no_passphrase() -> None:
    """A folder that others may write to, and a socket that was waiting there."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as fake:
        Path(folder).chmod(0o777)
        place = Path(folder, "keyd.sock")
        fake.bind(str(place))
        place.chmod(0o777)
        with acting_as(NOBODY):
            fake.listen()
        with KeyClient(place) as client:
            for attempt in (lambda: client.unlock(PASSPHRASE), client.status):
                with pytest.raises(NotAllowed, match=f"uid {NOBODY}"):
                    attempt()
        fake.setblocking(False)
        victim, _ = fake.accept()
        with victim:
            assert victim.recv(1000) == b""


def imports(path: Path) -> set[str]:
    """Every module a source file imports, function-level imports among them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def test_only_the_key_services_own_process_imports_its_secrets() -> None:
    allowed = [SOURCE / "keys/service", SOURCE / "keys/providers", SOURCE / "testing"]
    for path in SOURCE.rglob("*.py"):
        if path == SOURCE / "app/keyd.py" or any(path.is_relative_to(a) for a in allowed):
            continue
        for name in imports(path):
            assert not name.startswith(PRIVATE), f"{path.relative_to(SOURCE)} imports {name}"


def test_client_process_never_loads_what_holds_subject_keys(keyd: KeyClient) -> None:
    script = """
import sys
from pathlib import Path
from cloister.core.ids import RunId
from cloister.core.values import KeyRef
from cloister.keys import create, launch
from cloister.keys.seal import open_sealed, seal
from cloister.keys.values import GrantRequest
client = launch.start_keyd(Path(sys.argv[1]), Path(sys.argv[2]))
grant = client.grants([GrantRequest(client.new_owner(RunId))])[0].key
[key] = client.open([KeyRef(grant.owner, grant.seal_id, grant.wrap)])
assert open_sealed(seal(b"scan", grant), key, grant.seal_id) == b"scan"
client.signer("log").sign(b"head")
print([name for name in sys.modules if name.startswith(("cloister.keys.service",
    "cloister.keys.providers", "cloister.app.keyd"))])
"""
    command = [sys.executable, "-c", script, "/nowhere", str(keyd.socket_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_reply_ever_holds_a_subjects_key(tmp_path: Path) -> None:
    """Every verb's reply, searched for the key the row holds."""
    from cloister.core.clock import SystemClock
    from cloister.keys.providers.file import FileProvider
    from cloister.keys.providers.seam import Credential
    from cloister.keys.service.vault import Vault

    make_keys(tmp_path / "keys")
    vault = Vault(tmp_path / "keys", FileProvider(tmp_path / "keys"), SystemClock())
    vault.unlock(Credential("passphrase", PASSPHRASE.encode()))
    with vault.keyring() as keyring:
        subject = SubjectId(str(keyring.subjects([("ward", "1")], create=True)[0]))
        row = vault.store.owners([subject])[subject]
        key = bytes(keyring.sealer.open(subject, row.sealed or b"").key)
        grants = keyring.grants([GrantRequest(subject)] * 50)
        replies = [
            *(part for g in grants for part in (g.key.wrap, g.key.object_key, g.key.seal_id)),
            *keyring.open([ref(grant.key) for grant in grants]),
            *keyring.rewrap([ref(grants[0].key)], subject),
            repr(keyring.identities([subject])).encode(),
        ]
    vault.close()
    assert len(key) == 32
    assert all(reply is not None and key not in reply for reply in replies)


def test_passphrase_is_nowhere_but_in_the_unlock_message(
    keyd: KeyClient, keys_folder: Path
) -> None:
    pid = keyd.status().pid
    places = [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")]
    for folder in (keys_folder, keyd.socket_path.parent):
        places += [path for path in folder.rglob("*") if path.is_file()]
    with pytest.raises(NotAllowed), holding(keyd, None) as client:
        client.sign("log", PASSPHRASE.encode())  # not into the journal of refusals either
    assert len(places) > 6
    for place in places:
        assert PASSPHRASE.encode() not in place.read_bytes(), place


def test_keyd_inherits_nothing_of_its_parents_environment(keyd: KeyClient) -> None:
    environment = Path(f"/proc/{keyd.status().pid}/environ").read_bytes()
    names = {entry.split(b"=")[0] for entry in environment.split(b"\0") if entry}
    assert names <= {b"LANG", b"PYTHONPATH", b"LC_CTYPE"}


def test_memory_cannot_be_dumped_or_swapped(keyd: KeyClient) -> None:
    pid = keyd.status().pid
    limits = Path(f"/proc/{pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    locked = Path(f"/proc/{pid}/status").read_text().split("VmLck:")[1].split()[0]
    assert keyd.status().memory_locked is (int(locked) > 0)
    assert keyd.status().memory_locked or os.geteuid() != 0


@as_root
def test_same_user_cannot_read_its_memory() -> None:
    """PR_SET_DUMPABLE 0: to a process of the same user, /proc/<pid>/mem is root's."""
    script = """
import ctypes, os, sys, time
from cloister.keys.service.hardening import harden
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # changing the user cleared it: start out dumpable
harden()
print("ready", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.setegid(NOBODY)
        try:
            with acting_as(NOBODY), pytest.raises(PermissionError):
                Path(f"/proc/{process.pid}/mem").open("rb").close()
        finally:
            os.setegid(0)
            process.communicate(b"")


def test_noise_never_ends_it(keyd: KeyClient) -> None:
    pid = keyd.status().pid
    noises = [
        b"",
        b"\xff" * 5000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x05\xdd\xff\xff\xff\xff",
        (1 << 20).to_bytes(4, "big") + b"\x91" * (1 << 20),
        *(secrets.token_bytes(size) for size in range(1, 200, 7)),
        *((size).to_bytes(4, "big") + secrets.token_bytes(size) for size in range(1, 200, 7)),
    ]
    for noise in noises:
        with connected(keyd) as stream:
            try:
                stream.sendall(noise)
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(65536):
                    pass
            except ConnectionError:
                pass
    assert keyd.status().pid == pid
    assert granted(keyd).wrap


def test_crowd_of_idle_connections_is_bounded_and_leaves_no_damage(keyd: KeyClient) -> None:
    pid = keyd.status().pid
    crowd = [connected(keyd) for _ in range(300)]
    turned_away = select.select(crowd, [], [], 0)[0]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(turned_away) < 300 - 128:
        turned_away = select.select(crowd, [], [], 0)[0]
    assert len(turned_away) >= 300 - 128
    for stream in crowd:
        stream.close()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not launch.answers(keyd):
        time.sleep(0.05)
    assert keyd.status().pid == pid


def test_second_key_service_on_the_same_keys_is_refused(
    keyd: KeyClient, keys_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises((KeyServiceDown, Conflict), match="another process"):
        launch.start_keyd(keys_folder, tmp_path / "run" / "keyd.sock")
