"""A new lab: folders, keys, ledger, its first member; and the kit that brings it back."""

from __future__ import annotations

import pwd
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from cloister.app.config import (
    Config,
    Surroundings,
    claim_runtime,
    configure,
    remember_default,
    save,
)
from cloister.app.platform import Engines, engines
from cloister.core.clock import SystemClock, timestamp
from cloister.core.errors import Conflict
from cloister.core.events import Event
from cloister.core.files import private_folder, write_durably
from cloister.core.ids import LabId, PersonId, Randomness
from cloister.core.values import Actor
from cloister.keys.create import create_keys
from cloister.keys.recovery import RecoveryKit
from cloister.ledger import check_head
from cloister.proof import LabKeys

_UNFINISHED = {"lab.pub", "ca.pem", "lab.db", "lab.db-wal", "lab.db-shm", "store"}
_REASON = "whoever makes a lab is its admin"


@dataclass(frozen=True, slots=True)
class Founded:
    """A lab that has just been made."""

    config: Config
    kit: RecoveryKit
    is_default: bool
    """Whether it is the lab that is meant when none is named."""


def found(
    around: Surroundings, folder: Path, passphrase: str, randomness: Randomness
) -> Founded:
    """Makes a lab in ``folder`` and its keys outside it; raises Conflict if it is not empty.

    Killed before it returns, the folder holds no cloister.toml: it is no lab, and the next
    try starts over.
    """
    _make_room(folder)
    config = configure(around, LabId.new(randomness), folder)
    private_folder(folder)
    claim_runtime(config)
    clock = SystemClock()
    client, kit = create_keys(
        config.keys, config.lab, passphrase, socket_path=config.socket, clock=clock
    )
    keys = client.public_keys()
    public = LabKeys(keys["log"], keys["statement"])
    write_durably(folder / "lab.pub", public.text().encode())
    write_durably(folder / "ca.pem", client.ca_certificate())
    kit = replace(kit, public_keys=public.text())
    with engines(config) as parts:
        _enrol(parts, around.uid, randomness)
    save(config)
    return Founded(config, kit, remember_default(around, folder))


def _make_room(folder: Path) -> None:
    """An empty place for the lab; what an interrupted try left is removed."""
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()}
    if "cloister.toml" in names:
        raise Conflict("there is a lab in this folder already", hint="see `cloister doctor`")
    if names - _UNFINISHED:
        raise Conflict("the folder is not empty", hint="a lab starts in a new or empty folder")
    for name in names:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _enrol(parts: Engines, uid: int, randomness: Randomness) -> None:
    """The first two events: the lab is there, and whoever made it is its admin."""
    founder = Actor(PersonId.new(randomness), "admin", f"peer:{uid}")
    member = {
        "name": pwd.getpwuid(uid).pw_name,
        "os_uid": uid,
        "person": founder.person,
        "role": founder.role,
    }
    now = timestamp(SystemClock().now())
    events = [
        Event("lab.created", now, founder.person, _REASON, {"lab": parts.config.lab}),
        Event("person.added", now, founder.person, _REASON, member),
    ]
    parts.database.write(lambda tx: parts.ledger.append(tx, events))
    check_head(parts.reader, parts.database, parts.memory)
