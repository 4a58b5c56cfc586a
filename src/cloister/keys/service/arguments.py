"""A request's arguments, checked one by one: anything may arrive on a socket."""

from __future__ import annotations

from typing import Any, TypeVar

from cloister.core.errors import BadInput
from cloister.core.ids import KeyId, key_id
from cloister.core.values import KeyRef
from cloister.keys.values import Fingerprint, GrantRequest

T = TypeVar("T")

_LONGEST_TEXT = 65536
_MOST_ITEMS = 8192


class Arguments:
    """Typed access to an untrusted map; every method raises BadInput."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise BadInput("request: arguments are a map")
        self._raw = raw

    def text(self, name: str) -> str:
        """A string."""
        return _typed(self._get(name), str, name, _LONGEST_TEXT)

    def secret(self, name: str) -> bytes:
        """A passphrase, as bytes; never empty."""
        secret = self.text(name).encode("utf-8", "surrogatepass")
        if not secret:
            raise BadInput(f"request: {name} is empty")
        return secret

    def optional_secret(self, name: str) -> bytes | None:
        """A passphrase, or none."""
        return None if self._raw.get(name) is None else self.secret(name)

    def has(self, name: str) -> bool:
        """Whether it was given at all."""
        return self._raw.get(name) is not None

    def scheme(self) -> tuple[int, int]:
        """How many shares are needed, and how many there are."""
        return self.number("threshold"), self.number("count")

    def optional_scheme(self) -> tuple[int, int] | None:
        """The same, or none: one recovery code."""
        return self.scheme() if self.has("threshold") else None

    def blob(self, name: str, most: int) -> bytes:
        """Bytes."""
        return _typed(self._get(name), bytes, name, most)

    def number(self, name: str) -> int:
        """A whole number, zero or more."""
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
            raise BadInput(f"request: {name} is not a whole number")
        return value

    def flag(self, name: str) -> bool:
        """A boolean."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise BadInput(f"request: {name} is not a boolean")
        return value

    def texts(self, name: str) -> list[str]:
        """Strings."""
        return [_typed(item, str, name, _LONGEST_TEXT) for item in self._items(name)]

    def owners(self, name: str = "owners") -> list[KeyId]:
        """Key owners."""
        return [key_id(text) for text in self.texts(name)]

    def optional_owners(self, name: str = "owners") -> list[KeyId] | None:
        """Key owners, or none at all: everyone."""
        return None if self._raw.get(name) is None else self.owners(name)

    def owner(self, name: str) -> KeyId:
        """One key owner."""
        return key_id(self.text(name))

    def identities(self) -> list[tuple[str, str]]:
        """(issuer, local id) pairs."""
        return [
            (
                _typed(issuer, str, "issuer", _LONGEST_TEXT),
                _typed(local_id, str, "local id", _LONGEST_TEXT),
            )
            for issuer, local_id in self._rows("identities", 2)
        ]

    def grant_requests(self) -> list[GrantRequest]:
        """What `grants` is asked for."""
        return [
            GrantRequest(
                key_id(_typed(owner, str, "owner", 64)),
                None if digest is None else _typed(digest, bytes, "fingerprint", 32),
            )
            for owner, digest in self._rows("requests", 2)
        ]

    def fingerprints(self) -> list[Fingerprint]:
        """What `remember` is given."""
        return [
            Fingerprint(
                key_id(_typed(owner, str, "owner", 64)),
                _typed(digest, bytes, "fingerprint", 32),
                _typed(name, str, "object name", 128),
            )
            for owner, digest, name in self._rows("fingerprints", 3)
        ]

    def refs(self) -> list[KeyRef]:
        """Object keys' references."""
        return [
            KeyRef(
                key_id(_typed(owner, str, "owner", 64)),
                _typed(seal_id, bytes, "seal id", 64),
                _typed(wrap, bytes, "wrap", 256),
            )
            for owner, seal_id, wrap in self._rows("refs", 3)
        ]

    def _rows(self, name: str, width: int) -> list[list[Any]]:
        rows = self._items(name)
        for row in rows:
            if not isinstance(row, list) or len(row) != width:
                raise BadInput(f"request: each of {name} has {width} parts")
        return rows

    def _items(self, name: str) -> list[Any]:
        value = self._get(name)
        if not isinstance(value, list) or len(value) > _MOST_ITEMS:
            raise BadInput(f"request: {name} is not a list of at most {_MOST_ITEMS}")
        return value

    def _get(self, name: str) -> object:
        if name not in self._raw:
            raise BadInput(f"request: {name} is missing")
        return self._raw[name]


def _typed(value: object, kind: type[T], name: str, most: int) -> T:
    if not isinstance(value, kind) or len(value) > most:  # type: ignore[arg-type]
        raise BadInput(f"request: {name} is not {kind.__name__} of at most {most}")
    return value
