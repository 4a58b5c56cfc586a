"""The ledger: entries to look at, and what a verifier in the browser checks by itself."""

from __future__ import annotations

import base64
from typing import Any

from cloister.core.errors import BadInput
from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Field, Kind, listed
from cloister.workflows.views import ledger as view
from cloister.workflows.views.ledger import Wanted

_LARGEST = 1 << 53


def entries(asked: Asked) -> dict[str, Any]:
    """Entries from the newest on, narrowed by type, actor, what they hold and time."""
    names = ("type", "actor", "holds", "since", "until")
    wanted = Wanted(**{name: asked.text(name).strip() for name in names})
    after = asked.fields.get("after")
    found = view.find_entries(asked.lab, wanted, asked.whole("limit", 50), after)
    following = None if found.following is None else str(found.following)
    return listed(found.lines, following, found.size)


def entry(asked: Asked) -> dict[str, Any]:
    """One entry with its bytes."""
    one = view.one_entry(asked.lab, _index(asked))
    return {
        "index": one.index,
        "type": one.event.type,
        "time": one.event.time,
        "actor": one.event.actor,
        "whose": one.whose,
        "reason": one.event.reason,
        "body": one.event.body,
        "leaf": base64.b64encode(one.leaf).decode(),
    }


def head(asked: Asked) -> object:
    """The newest signed head, and the key that its signature is checked with."""
    return view.head(asked.lab)


def inclusion(asked: Asked) -> dict[str, Any]:
    """The proof that an entry is in the log of a size (RFC 6962, 2.1.1)."""
    return _proof(view.inclusion(asked.lab, _index(asked), asked.whole("size")))


def consistency(asked: Asked) -> dict[str, Any]:
    """The proof that one head goes on from another (RFC 6962, 2.1.2)."""
    return _proof(view.consistency(asked.lab, asked.whole("old"), asked.whole("new")))


def _index(asked: Asked) -> int:
    text = asked.named["index"]
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadInput("an entry is named by its number")
    return int(text)


def _proof(hashes: list[bytes]) -> dict[str, Any]:
    return {"hashes": [base64.b64encode(one).decode() for one in hashes]}


def _size(name: str) -> Field:
    return Field(name, Kind.WHOLE, required=True, most=_LARGEST)


_SEARCH = (
    *(Field(name, most=200) for name in ("type", "actor", "holds", "since", "until")),
    Field("limit", Kind.WHOLE, least=1, most=500),
    Field("after", Kind.WHOLE, most=_LARGEST),
)
_SIZE, _OLD, _NEW = _size("size"), _size("old"), _size("new")
CALLS = tuple(
    Call("GET", path, handler, Action.AUDIT, fields, everywhere=True)
    for path, handler, fields in (
        ("/ledger", entries, _SEARCH),
        ("/ledger/head", head, ()),
        ("/ledger/consistency", consistency, (_OLD, _NEW)),
        ("/ledger/{index}", entry, ()),
        ("/ledger/{index}/inclusion", inclusion, (_SIZE,)),
    )
)
