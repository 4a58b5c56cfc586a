"""Where a PostgreSQL database is, and as whom to ask for it: everything but the password."""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloister.core.errors import BadInput

DEFAULT_SCHEMA = "cloister"
_SOCKETS = "/var/run/postgresql"
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "passfile")
_KNOWN = frozenset({"host", "port", "user", "schema", *_TLS})
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_ELSEWHERE = (
    "put the password into ~/.pgpass (host:port:database:user:password, mode 0600), or into a"
    " file named with ?passfile=/path; see docs/how-to/use-postgresql.md"
)


@dataclass(frozen=True, slots=True)
class Place:
    """One schema of one database, and who asks for it."""

    host: str
    """A host, or the folder of a Unix socket."""
    port: int
    database: str
    user: str
    schema: str = DEFAULT_SCHEMA
    more: Mapping[str, str] = field(default_factory=dict)
    """TLS and the password file, as libpq calls them."""

    @property
    def is_local(self) -> bool:
        """Whether what is said never leaves this machine."""
        if self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"schema {self.schema} of database {self.database} at {self.host}:{self.port}"


def parse_place(uri: str) -> Place:
    """The place that ``postgresql://user@host:port/database?schema=name`` names.

    Without a host it is the Unix socket of Debian's packages. Raises BadInput for a password
    in it, an unknown setting, and for a way over the network that is not TLS with the
    server's name checked.
    """
    parts = urllib.parse.urlsplit(uri)
    given = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or "password" in given:
        raise BadInput("a password may not stand in the database URI", hint=_ELSEWHERE)
    if unknown := sorted(given.keys() - _KNOWN):
        raise BadInput(
            f"the database URI has an unknown setting {unknown[0]}",
            hint=f"known: {', '.join(sorted(_KNOWN))}",
        )
    place = Place(
        host=given.get("host") or _unquoted(parts.hostname) or _SOCKETS,
        port=_port(given.get("port"), parts),
        database=_unquoted(parts.path.removeprefix("/")),
        user=given.get("user") or _unquoted(parts.username) or _own_name(),
        schema=given.get("schema", DEFAULT_SCHEMA),
        more={name: given[name] for name in _TLS if name in given},
    )
    _check(place)
    return place


def _check(place: Place) -> None:
    if not place.database or "/" in place.database:
        raise BadInput("the database URI names no database: postgresql://user@host/database")
    if not _SCHEMA.fullmatch(place.schema) or place.schema.startswith("pg_"):
        raise BadInput("a schema's name has small letters, digits and _, and 48 at most")
    if "," in place.host:
        raise BadInput("the database URI names several hosts: name the one that writes")
    if not place.is_local and place.more.get("sslmode", "verify-full") != "verify-full":
        raise BadInput(
            "over the network the database is reached with sslmode=verify-full only",
            hint="name the server's certificate authority with &sslrootcert=/path/ca.pem",
        )


def _port(given: str | None, parts: urllib.parse.SplitResult) -> int:
    try:
        port = int(given) if given is not None else parts.port or 5432
    except ValueError as error:
        raise BadInput("the port in the database URI is no number up to 65535") from error
    if not 0 < port < 65536:
        raise BadInput("the port in the database URI is no number up to 65535")
    return port


def _unquoted(text: str | None) -> str:
    return urllib.parse.unquote(text or "")


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise BadInput("the database URI names no user: postgresql://user@...") from error
