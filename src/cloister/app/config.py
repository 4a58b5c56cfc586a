"""Where everything is: the only reader of the process environment and of cloister.toml."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from cloister.core.errors import BadInput, NotFound
from cloister.core.files import private_folder, rename_durably, write_durably
from cloister.core.ids import LabId
from cloister.db import check_uri, is_server
from cloister.identity.provider import UNNAMED, ProviderSettings, check_address
from cloister.jobs.settings import QueueSettings, parse_queue
from cloister.keys.launch import KeyPlace
from cloister.pipelines.settings import PipelineSettings, parse_pipelines
from cloister.policy import TwoPersons
from cloister.recovery.policy import Policy, parse_policy
from cloister.tracking.settings import TrackingSettings, parse_tracking

_KNOWN = {
    "approval",
    "database",
    "format",
    "keyd",
    "lab",
    "oidc",
    "pipelines",
    "prove_at_machine",
    "queue",
    "recovery",
    "retract_within_hours",
    "tracking",
}
FORMAT = 1
FOUNDING = ".founding"
"""What cloister.toml is called until the lab is complete."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the operating system says about this user: folders and variables."""

    environment: Mapping[str, str]
    uid: int
    home: Path

    def _xdg(self, name: str, default: str) -> Path:
        given = self.environment.get(name, "")
        return (Path(given) if given.startswith("/") else self.home / default) / "cloister"

    @property
    def data(self) -> Path:
        """Keys live here: outside every lab folder (XDG_DATA_HOME)."""
        return self._xdg("XDG_DATA_HOME", ".local/share")

    @property
    def state(self) -> Path:
        """Remembered heads (XDG_STATE_HOME)."""
        return self._xdg("XDG_STATE_HOME", ".local/state")

    @property
    def cache(self) -> Path:
        """What can be made again: environments rebuilt for replays (XDG_CACHE_HOME)."""
        return self._xdg("XDG_CACHE_HOME", ".cache")

    @property
    def settings(self) -> Path:
        """Which lab is meant when none is named (XDG_CONFIG_HOME)."""
        return self._xdg("XDG_CONFIG_HOME", ".config")

    @property
    def runtime(self) -> Path:
        """Sockets, leases, tokens: gone after a reboot (XDG_RUNTIME_DIR)."""
        given = self.environment.get("XDG_RUNTIME_DIR", "")
        if given.startswith("/") and os.access(given, os.W_OK):
            return Path(given) / "cloister"
        return Path(f"/tmp/cloister-{self.uid}")  # noqa: S108 - claim_runtime checks its owner

    @property
    def passphrase_file(self) -> tuple[Path, ...]:
        """The file named by CLOISTER_PASSPHRASE_FILE, if one is."""
        named = self.environment.get("CLOISTER_PASSPHRASE_FILE")
        return (Path(named).absolute(),) if named else ()


@dataclass(frozen=True, slots=True)
class Keyd:
    """A key service that runs as an OS user of its own."""

    socket: Path
    uid: int


@dataclass(frozen=True, slots=True)
class Config:
    """One lab and the folders this user reaches it through."""

    lab: LabId
    folder: Path
    database: str
    store: str
    keys: KeyPlace
    runtime: Path
    heads: Path
    private: tuple[Path, ...]
    """What is never added and never shown to a job: folders of labs, and the passphrase."""
    policy: Policy
    """What may be lost, and for how long."""
    grace_h: int = 24
    """How long after an add it may be retracted."""
    two_persons: TwoPersons = field(default_factory=TwoPersons)
    """What nobody does alone, until the record says."""
    prove_at_machine: bool = False
    """Whether what is grave asks for the passphrase here too."""
    oidc: ProviderSettings | None = None
    """Where else members may show who they are."""
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    """What jobs may log."""
    queue: QueueSettings = field(default_factory=QueueSettings)
    """How jobs share the machine."""
    pipelines: PipelineSettings = field(default_factory=PipelineSettings)
    """Where their calls are made."""

    @property
    def server(self) -> str | None:
        """The URI of the database server, where the tables are not in the folder."""
        return self.database if is_server(self.database) else None


def surroundings() -> Surroundings:
    """This process's surroundings."""
    return Surroundings(dict(os.environ), os.getuid(), Path.home())  # noqa: TID251


def locate(around: Surroundings, named: str | None) -> Path:
    """The lab folder, without links: named, CLOISTER_LAB, one around us, or the default."""
    given = named or around.environment.get("CLOISTER_LAB")
    if given:
        return Path(given).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "cloister.toml").is_file():
            return folder
    default = around.settings / "lab"
    if default.is_file():
        return Path(default.read_text().strip()).resolve()
    raise NotFound("no lab yet", hint="make one with `cloister init`, or name one with --lab")


def load(around: Surroundings, folder: Path) -> Config:
    """The configuration of the lab in ``folder``; raises NotFound or BadInput."""
    values = _values(folder)
    keyd = _keyd(values["keyd"]) if "keyd" in values else None
    policy = parse_policy(values.get("recovery", {}))
    lab = LabId.parse(str(values.get("lab")))
    config = configure(around, lab, folder, keyd, policy, _database(values, folder))
    grace_h = values.get("retract_within_hours", config.grace_h)
    if not isinstance(grace_h, int) or isinstance(grace_h, bool) or not 0 <= grace_h <= 8760:
        raise BadInput("cloister.toml: retract_within_hours is a number from 0 to 8760")
    two_persons = _two_persons(values.get("approval", {}))
    oidc = _oidc(around, values["oidc"]) if "oidc" in values else None
    prove = values.get("prove_at_machine", False)
    if not isinstance(prove, bool):
        raise BadInput("cloister.toml: prove_at_machine is true or false")
    return replace(
        config,
        grace_h=grace_h,
        two_persons=two_persons,
        prove_at_machine=prove,
        oidc=oidc,
        queue=parse_queue(values.get("queue", {})),
        pipelines=parse_pipelines(values.get("pipelines", {})),
        tracking=parse_tracking(values.get("tracking", {})),
    )


def load_id(folder: Path) -> LabId:
    """Which lab ``folder`` holds; raises NotFound or BadInput."""
    return LabId.parse(str(_values(folder).get("lab")))


def load_database(folder: Path) -> str:
    """The URI of the database of the lab in ``folder``; raises NotFound or BadInput."""
    return _database(_values(folder), folder)


def _database(values: Mapping[str, Any], folder: Path) -> str:
    given = values.get("database", f"sqlite:{folder / 'lab.db'}")
    if not isinstance(given, str):
        raise BadInput("cloister.toml: database is a URI: postgresql://user@host/database")
    check_uri(given)
    return given


def _values(folder: Path) -> dict[str, Any]:
    """What cloister.toml says; raises NotFound or BadInput."""
    try:
        text = (folder / "cloister.toml").read_text()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("no lab here: no cloister.toml in the folder named") from error
    except PermissionError as error:
        raise NotFound("the lab folder cannot be read by this user") from error
    except UnicodeDecodeError as error:
        raise BadInput("cloister.toml is not UTF-8 text") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"cloister.toml: {error}") from error
    for name in values:
        if name not in _KNOWN:
            raise BadInput(f"cloister.toml: unknown setting {name}", hint=_nearest(name))
    if values.get("format") != FORMAT:
        raise BadInput(f"cloister.toml: this version reads format {FORMAT}")
    return values


def _keyd(value: object) -> Keyd:
    """The table [keyd]; raises BadInput."""
    match value:
        case {"socket": str(path), "uid": int(uid), **rest} if not rest and path[:1] == "/":
            return Keyd(Path(path), uid)
    raise BadInput("cloister.toml: [keyd] has a socket, an absolute path, and a uid")


def _two_persons(value: object) -> TwoPersons:
    """The table [approval]; raises BadInput."""
    rule = TwoPersons()
    match value:
        case {**given} if given.keys() <= {"erase", "within_hours"}:
            erase, within_h = (
                given.get("erase", False),
                given.get("within_hours", rule.within_h),
            )
            if isinstance(erase, bool) and type(within_h) is int and 1 <= within_h <= 720:
                return TwoPersons(frozenset({"erase"} if erase else ()), within_h)
    raise BadInput(
        "cloister.toml: [approval] has erase, true or false, and within_hours, 1 to 720"
    )


def _oidc(around: Surroundings, value: object) -> ProviderSettings:
    """The table [oidc]; raises BadInput. The secret itself is read when it is needed."""
    match value:
        case {
            "issuer": str(issuer),
            "client_id": str(client),
            "client_secret": str(place),
            **rest,
        }:
            name = rest.pop("name", UNNAMED)
            if not rest and isinstance(name, str) and client and issuer == issuer.rstrip("/"):
                check_address(issuer)
                secret = partial(_secret, around, place)
                return ProviderSettings(issuer, client, secret, name)
    raise BadInput(
        "cloister.toml: [oidc] has issuer (without a / at its end), client_id, client_secret,"
        " and perhaps name"
    )


def _secret(around: Surroundings, place: str) -> str:
    """What lies at ``env:NAME`` or ``file:/path``; raises BadInput where nothing does."""
    kind, _, name = place.partition(":")
    try:
        found = around.environment[name] if kind == "env" else ""
        found = Path(name).read_text().strip() if kind == "file" else found
    except (KeyError, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"no secret lies at {kind}:{name}") from error
    if not found:
        raise BadInput("a secret is named, as env:NAME or file:/path, and never written here")
    return found


def service_at(socket: Path) -> Keyd:
    """The key service of another OS user that listens at ``socket``.

    It is trusted with the passphrase, so nobody else may be able to put one in its place:
    raises BadInput where others can write to its folder, NotFound where there is none.
    """
    socket = socket.absolute()
    try:
        found, folder = socket.stat(), socket.parent.stat()
    except OSError as error:
        raise NotFound(
            "no key service listens there, or this user cannot reach it",
            hint="is this user in the group of its folder? log in again after adding it",
        ) from error
    if not stat.S_ISSOCK(found.st_mode):
        raise BadInput("what --keyd names is no socket")
    if folder.st_mode & 0o022 or folder.st_uid not in {0, found.st_uid}:
        raise BadInput("others can write to the folder of that socket, and so replace it")
    return Keyd(socket, found.st_uid)


def configure(
    around: Surroundings,
    lab: LabId,
    folder: Path,
    keyd: Keyd | None = None,
    policy: Policy | None = None,
    database: str | None = None,
) -> Config:
    """The folders of a lab for this user, and its key service: this user's own if None.

    Without a ``database`` it is a file in the lab's folder.
    """
    runtime = around.runtime / lab
    own = KeyPlace(runtime / "keyd.sock", runtime / "owner.lease", around.data / lab)
    other = keyd and KeyPlace(keyd.socket, runtime / "owner.lease", None, keyd.uid)
    return Config(
        lab=lab,
        folder=folder,
        database=database or f"sqlite:{folder / 'lab.db'}",
        store=f"file:{folder / 'store'}",
        keys=other or own,
        runtime=runtime,
        heads=around.state / "heads",
        private=(folder, around.data, around.state, around.runtime, *around.passphrase_file),
        policy=policy or parse_policy({}),
    )


def check_database(uri: str) -> None:
    """Raises BadInput for what no engine takes, and for one that is chosen by itself."""
    if not is_server(uri):
        raise BadInput(
            "a database is named as postgresql://user@host/database",
            hint="without one the lab keeps its tables in a file of its own",
        )
    check_uri(uri)


def claim_runtime(config: Config) -> None:
    """Makes the folder of sockets and leases; raises NotAllowed if somebody else did."""
    private_folder(config.runtime.parent)
    private_folder(config.runtime)


def announce(config: Config) -> None:
    """Marks the folder as a lab in the making; ``save`` turns the mark into cloister.toml."""
    text = (
        "# A Cloister lab. Nothing here is secret; keys live outside this folder.\n"
        f'format = {FORMAT}\nlab = "{config.lab}"\n'
    )
    if is_server(config.database):
        text += f"database = {json.dumps(config.database)}\n"
    if config.keys.uid is not None:
        socket = json.dumps(str(config.keys.socket))  # as TOML writes a string, too
        text += f"\n[keyd]\nsocket = {socket}\nuid = {config.keys.uid}\n"
    text += config.policy.text()
    write_durably(config.folder / FOUNDING, text.encode())


def save(config: Config) -> None:
    """Makes the folder a lab: from now on it is never started over."""
    rename_durably(config.folder / FOUNDING, config.folder / "cloister.toml")


def remember_default(around: Surroundings, folder: Path) -> bool:
    """Makes ``folder`` the lab that is meant when none is named, if there was none."""
    path = around.settings / "lab"
    if path.exists() and (Path(path.read_text().strip()) / "cloister.toml").is_file():
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(f"{folder}\n")
    return True


def _nearest(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, _KNOWN, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(_KNOWN))}"


def policy_in(text: str) -> Policy:
    """The recovery policy of a cloister.toml that lies elsewhere; raises BadInput."""
    try:
        return parse_policy(tomllib.loads(text).get("recovery", {}))
    except tomllib.TOMLDecodeError as error:
        raise BadInput("the cloister.toml of the backup cannot be read") from error
