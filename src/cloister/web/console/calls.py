"""One address of the interface: what is asked there, by whom, and what answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cloister.core.errors import BadInput
from cloister.identity.sessions import Session
from cloister.policy import Action
from cloister.web.people.desk import Desk
from cloister.workflows.lab import Lab

PREFIX = "/api/1"


class Kind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    WHOLE = "whole"
    FLAG = "flag"
    TEXTS = "texts"
    """Several; in a query, the field said several times."""
    OBJECT = "object"
    """In a body alone; what it holds, its handler checks."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a request may say; what it may not, is refused by name."""

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    most: int = 4096
    """Characters of a text; the largest whole number; how many texts."""
    least: int = 0
    """Of a whole number."""
    example: Any = None
    """A value of its form, for the document and for tests; what it names is not there."""


LIST_FIELDS = (
    Field("filter"),
    Field("order", most=200),
    Field("limit", Kind.WHOLE, least=1, most=1000),
    Field("after", most=400),
)
"""What every list takes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, once it is known who asks and what."""

    lab: Lab
    """As whoever asks gets it."""
    session: Session | None
    """None for a token."""
    desk: Desk
    named: Mapping[str, str] = field(default_factory=dict)
    """Parts of the path."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What was said, of the kinds that the call says."""
    body: Iterable[bytes] = ()
    """Of a call that takes a stream: what is sent, as it comes."""
    size_bytes: int | None = None
    """How long the stream is said to be."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case: for protocols that speak in headers."""

    def text(self, name: str, default: str = "") -> str:
        """A text; ``default`` where it was not said."""
        return str(self.fields.get(name, default))

    def texts(self, name: str) -> tuple[str, ...]:
        """All that were said."""
        return tuple(self.fields.get(name, ()))

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number; ``default`` where it was not said."""
        return int(self.fields.get(name, default))

    def flag(self, name: str) -> bool:
        """Whether it was said to be so."""
        return bool(self.fields.get(name, False))


@dataclass(frozen=True, slots=True)
class Said:
    """An answer with more to it than a JSON value under 200."""

    value: Any = None
    """Rendered as JSON; None for an empty answer."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is sent as it is made; ``chunks`` is closed whatever happens."""

    name: str
    """What it is called where it is saved."""
    chunks: Generator[bytes]
    size_bytes: int | None = None
    """Announced where it is known: what breaks off is then noticed."""
    kind: str = "application/octet-stream"
    inline: bool = False
    """Shown rather than saved; under a policy that lets nothing in it run or load."""


Handler = Callable[[Asked], object]
"""Gives a value of JSON, dataclasses among them, or Said, or Download. Runs in a thread, beside
others. Raises an error of the tree, told as such. What it acknowledges is durable."""


@dataclass(frozen=True, slots=True)
class Call:
    """An address that is answered."""

    method: str
    path: str
    """Below ``/api/1``; ``{name}`` is one segment, ``{name:path}`` is all that follows."""
    handler: Handler
    needs: Action = Action.LIST
    """What its workflow asks policy, before it looks for anything; a test compares them."""
    fields: tuple[Field, ...] = ()
    """In the query of a GET or DELETE, in the JSON body of anything else."""
    takes_stream: bool = False
    """Its body is bytes, given to the handler as they come; its fields are in the query."""
    statuses: tuple[int, ...] = (200,)
    """What it answers when all is well."""
    everywhere: bool = False
    """For those alone who see every project."""

    @property
    def in_query(self) -> bool:
        """Whether its fields stand in the address."""
        return self.takes_stream or self.method in {"GET", "HEAD", "DELETE"}


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a list that somebody asks for."""

    filter: str
    order: str
    limit: int
    after: str


def slice_of(asked: Asked, limit: int = 100) -> Slice:
    """What a list's fields say."""
    return Slice(
        asked.text("filter"),
        asked.text("order"),
        asked.whole("limit", limit),
        asked.text("after"),
    )


def listed(items: Iterable[object], following: str | None, total: int) -> dict[str, Any]:
    """A list as every call answers one; ``following`` is the next ``after``."""
    return {"items": list(items), "next": following, "total": total}


def from_query(call: Call, said: Mapping[str, list[str]]) -> dict[str, Any]:
    """The fields of an address; raises BadInput."""
    made: dict[str, Any] = {}
    for name, values in said.items():
        one = _field(call, name)
        if one.kind is Kind.TEXTS:
            made[name] = values
        elif len(values) != 1:
            raise BadInput(f"{name} is said twice")
        elif one.kind is Kind.WHOLE:
            made[name] = _number(name, values[0])
        elif one.kind is Kind.FLAG:
            made[name] = _truth(name, values[0])
        else:
            made[name] = values[0]
    return _checked(call, made)


def from_body(call: Call, said: object) -> dict[str, Any]:
    """The fields of a body; raises BadInput."""
    if not isinstance(said, dict):
        raise BadInput("the body is not a JSON object")
    for name in said:
        _field(call, str(name))
    return _checked(call, {key: value for key, value in said.items() if value is not None})


def _field(call: Call, name: str) -> Field:
    found = next((one for one in call.fields if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in call.fields) or "none"
        raise BadInput(f"an unknown field was said: expected {known}")
    return found


def _checked(call: Call, made: dict[str, Any]) -> dict[str, Any]:
    for one in call.fields:
        if one.name in made:
            _check(one, made[one.name])
        elif one.required:
            raise BadInput(f"{one.name} is missing")
    return made


def _check(one: Field, value: Any) -> None:
    if one.kind is Kind.TEXT:
        _check_text(one, value)
    elif one.kind is Kind.WHOLE:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not one.least <= value <= one.most:
            raise BadInput(f"{one.name} is a whole number of {one.least} to {one.most}")
    elif one.kind is Kind.FLAG:
        if not isinstance(value, bool):
            raise BadInput(f"{one.name} is true or false")
    elif one.kind is Kind.TEXTS:
        if not isinstance(value, list) or len(value) > one.most:
            raise BadInput(f"{one.name} is a list of at most {one.most} texts")
        for text in value:
            _check_text(one, text)
    elif not isinstance(value, dict):
        raise BadInput(f"{one.name} is an object")


def _check_text(one: Field, value: Any) -> None:
    if not isinstance(value, str) or len(value) > max(
        one.most, 4096 * (one.kind is Kind.TEXTS)
    ):
        raise BadInput(f"{one.name} is a text of at most {one.most} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{one.name} is no text that can be written down") from None


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadInput(f"{name} is a whole number")
    return int(text)


def _truth(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadInput(f"{name} is true or false")
    return text == "true"
