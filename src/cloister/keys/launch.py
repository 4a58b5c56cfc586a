"""Starts the key service, finds a running one, and keeps the owner's lease between commands."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import Conflict, KeyServiceDown, NotAllowed
from cloister.core.files import write_durably
from cloister.keys._pack import pack, unpack
from cloister.keys.client import KeyClient
from cloister.keys.values import ALL_VERBS, Lease

_PATIENCE = 60  # times 50 ms


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a lab's key service listens, and how this user reaches it."""

    socket: Path
    lease: Path
    """Where the owner's lease is kept between commands."""
    folder: Path | None
    """Its keys, where it is this user's own and started on demand."""
    uid: int | None = None
    """The OS user it runs as; None for this user."""


def reach(place: KeyPlace) -> KeyClient:
    """A client of the key service at ``place``; starts it where it is this user's own.

    Raises KeyServiceDown.
    """
    if place.folder is not None:
        return start_keyd(place.folder, place.socket)
    client = at(place)
    if answers(client):
        return client
    raise KeyServiceDown(
        f"the key service of user {place.uid} does not answer",
        hint="start it as the user it belongs to: systemctl start cloister-keyd",
    )


def at(place: KeyPlace) -> KeyClient:
    """A client that holds the owner's lease, if one was kept; starts nothing."""
    return KeyClient(place.socket, read_lease(place.lease), place.uid, place.lease)


def start_keyd(keys_folder: Path, socket_path: Path) -> KeyClient:
    """A client of the key service of this folder, started unless it runs already.

    The process is its own session, outlives its parent and inherits nothing but the clock;
    it starts locked (or empty). Raises KeyServiceDown with its last words if it does not start.
    """
    client = connect(socket_path)
    if answers(client):
        return client
    folder = socket_path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = _spawn(keys_folder, socket_path, folder / "keyd.log")
    if said == "ready" or (said.startswith(Conflict.code) and _answers_soon(client)):
        return client
    said = said or "its last words are in keyd.log beside its socket"
    raise KeyServiceDown(f"the key service did not start: {said}")


def connect(socket_path: Path) -> KeyClient:
    """A client that holds the owner's lease, if one was kept beside the socket."""
    client = KeyClient(socket_path)
    client.lease_held = read_lease(client.lease_path)
    return client


def answers(client: KeyClient) -> bool:
    """Whether a key service listens."""
    try:
        client.status()
    except KeyServiceDown:
        return False
    return True


def admits(client: KeyClient) -> bool:
    """Whether the keys are open to the lease that was kept.

    They are open to nobody after an unlock that was killed before it kept its lease.
    """
    if client.lease_held is None or client.status().state != "open":
        return False
    try:
        client.journal(0, 0)
    except NotAllowed:
        return False
    return True


def unlock(client: KeyClient, passphrase: str) -> KeyClient:
    """Unlocks, and keeps the owner's lease for the next commands; gives the same client."""
    keep_lease(client.lease_path, client.unlock(passphrase))
    return client


def unlock_with_recovery(
    client: KeyClient, code: str, new_passphrase: str | None = None
) -> KeyClient:
    """The same with the recovery code."""
    keep_lease(client.lease_path, client.unlock_with_recovery(code, new_passphrase))
    return client


def unlock_with_shares(
    client: KeyClient, shares: Sequence[str], new_passphrase: str | None = None
) -> KeyClient:
    """The same with as many recovery shares as are needed."""
    keep_lease(client.lease_path, client.unlock_with_shares(shares, new_passphrase))
    return client


def keep_lease(path: Path, lease: Lease) -> None:
    """Writes the owner's lease, mode 0600; it ends with the key service."""
    write_durably(path, pack((lease.token, lease.purpose, lease.generation)))


def read_lease(path: Path) -> Lease | None:
    """The owner's lease, None where none was kept."""
    try:
        content = path.read_bytes()
        token, purpose, generation = unpack(content)
    except (OSError, ValueError):
        return None
    return Lease(token, purpose, ALL_VERBS, None, None, generation)


def _spawn(keys_folder: Path, socket_path: Path, log: Path) -> str:
    """Starts the process and waits until it listens or dies; gives what it tells."""
    reading, writing = os.pipe()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    command = [
        sys.executable,
        "-Ps",  # neither the working folder nor a user's site may put code into this process
        "-m",
        "cloister.app.keyd",
        f"--keys={keys_folder.absolute()}",
        f"--socket={socket_path.absolute()}",
        f"--ready-fd={writing}",
        "--detach",
    ]
    try:
        subprocess.run(  # noqa: S603 - our own interpreter and module, no shell
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=_environment(),
            pass_fds=(writing,),
            start_new_session=True,
        )
    finally:
        os.close(writing)
        os.close(descriptor)
    with os.fdopen(reading) as told:
        return told.read()


def _environment() -> dict[str, str]:
    """Nothing of ours but where this very Cloister lies, if that is not where all code lies."""
    root = str(Path(__file__).parents[2])
    installed = root in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return {"LANG": "C.UTF-8"} | ({} if installed else {"PYTHONPATH": root})


def _answers_soon(client: KeyClient) -> bool:
    """Whether the one that another command has just started begins to listen."""
    for _ in range(_PATIENCE):
        if answers(client):
            return True
        time.sleep(0.05)
    return False
