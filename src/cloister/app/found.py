"""A new lab: folders, keys, ledger, its first member; and the kit that brings it back."""

from __future__ import annotations

import pwd
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from cloister.app.claim import CLAIM, UNFINISHED, claim_database, half_written, keep_database
from cloister.app.config import (
    FOUNDING,
    Config,
    Keyd,
    Surroundings,
    announce,
    claim_runtime,
    configure,
    remember_default,
    save,
)
from cloister.app.platform import Engines, engines
from cloister.app.sheets import check_apart, save_sheets
from cloister.core.clock import SystemClock, timestamp
from cloister.core.errors import BadInput, Conflict
from cloister.core.events import Event
from cloister.core.files import (
    exclusive,
    private_folder,
    translated,
    write_durably,
    write_new,
)
from cloister.core.ids import LabId, PersonId, Randomness
from cloister.core.values import Actor
from cloister.identity import projects
from cloister.keys.create import Kit, create_keys
from cloister.keys.sheets import ShareKit
from cloister.ledger import check_head
from cloister.proof.trust import LabKeys

_LOCK = ".founding.lock"
_REASON = "whoever makes a lab is its admin"


@dataclass(frozen=True, slots=True)
class Paper:
    """What to make of the recovery kit."""

    place: Path | None = None
    """A file for the code, a folder for the pages of shares; None: it is only shown."""
    scheme: tuple[int, int] | None = None
    """How many shares are needed, and how many to make; None for one code."""


@dataclass(frozen=True, slots=True)
class Founded:
    """A lab that has just been made."""

    config: Config
    kit: Kit
    is_default: bool
    """Whether it is the lab that is meant when none is named."""
    development_seal: bool
    """Whether the keys are with the very user who made the lab."""


def found(  # noqa: PLR0913, PLR0917 - one call, one lab
    around: Surroundings,
    folder: Path,
    passphrase: str,
    randomness: Randomness,
    paper: Paper | None = None,
    keyd: Keyd | None = None,
    database: str | None = None,
) -> Founded:
    """Makes a lab in ``folder`` and its keys outside it, and saves the kit to ``paper``.

    The keys are made in this user's own key service, or in ``keyd``, which must be empty; so
    must be ``database``, if one is named.

    Killed before it returns, the folder holds no cloister.toml: it is no lab, and the next
    try starts over. Raises Conflict when the folder is not empty or the file exists,
    BadInput for places where they would not be apart.
    """
    folder = folder.resolve()
    config = configure(around, LabId.new(randomness), folder, keyd, database=database)
    paper = paper or Paper()
    _check_places(config, around, paper.place)
    with translated():
        private_folder(folder)
    with exclusive(folder / _LOCK):
        _make_room(folder)
        claim_database(config)
        announce(config)
        claim_runtime(config)
        kit = _make_keys(config, passphrase, paper.scheme)
        if paper.place is not None:
            _save_kit(kit, paper.place)
        with engines(config) as parts:
            _enrol(parts, around.uid, randomness)
            development_seal = parts.keys.status().development_seal
        save(config)
        keep_database(config)
    return Founded(config, kit, remember_default(around, folder), development_seal)


def _check_places(config: Config, around: Surroundings, kit_file: Path | None) -> None:
    """Lab, keys and kit lie apart, so that a copy of one brings no other, and over nothing."""
    _left_over(config.folder)
    keys, lab = around.data.resolve(), config.folder
    if keys.is_relative_to(lab) or lab.is_relative_to(keys):
        raise BadInput("the keys would lie in the lab's folder, or the lab among the keys")
    if kit_file is not None:
        check_apart(kit_file, keys, lab)


def _left_over(folder: Path) -> list[Path]:
    """What an interrupted try left; raises Conflict for anything else."""
    if not folder.exists():
        return []
    with translated():
        found = [path for path in folder.iterdir() if path.name not in {_LOCK, CLAIM}]
    names = {path.name for path in found}
    names -= half_written(names)
    if "cloister.toml" in names:
        raise Conflict("there is a lab in this folder already", hint="see `cloister doctor`")
    if names and not {FOUNDING} <= names <= UNFINISHED:
        raise Conflict("the folder is not empty", hint="a lab starts in a new or empty folder")
    return found


def _make_room(folder: Path) -> None:
    """An empty place for the lab."""
    for path in _left_over(folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _save_kit(kit: Kit, place: Path) -> None:
    if isinstance(kit, ShareKit):
        save_sheets(kit, place)
    else:
        write_new(place, [kit.text().encode()])


def _make_keys(config: Config, passphrase: str, scheme: tuple[int, int] | None) -> Kit:
    """The lab's keys in their folder, and what everybody may know of them in the lab's."""
    client, kit = create_keys(config.keys, config.lab, passphrase, SystemClock(), scheme)
    keys = client.public_keys()
    public = LabKeys(keys["log"], keys["statement"])
    write_durably(config.folder / "lab.pub", public.text().encode())
    write_durably(config.folder / "ca.pem", client.ca_certificate())
    return replace(kit, public_keys=public.text())


def _enrol(parts: Engines, uid: int, randomness: Randomness) -> None:
    """The first two events: the lab is there, and whoever made it is its admin."""
    founder = Actor(PersonId.new(randomness), "admin", f"peer:{uid}")
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user need not have a name
        name = f"uid {uid}"
    member = {
        "name": name,
        "os_uid": uid,
        "person": founder.person,
        "projects": [projects.SHARED],
        "role": founder.role,
    }
    now = timestamp(SystemClock().now())
    events = [
        Event("lab.created", now, founder.person, _REASON, {"lab": parts.config.lab}),
        Event("person.added", now, founder.person, _REASON, member),
    ]
    parts.database.write(lambda tx: parts.ledger.append(tx, events))
    check_head(parts.reader, parts.database, parts.memory)
