"""Files that come through a browser: said, sent in pieces (tus 1.0), and added.

One upload brings many files. Each file is a resource of the tus protocol, core (HEAD, PATCH):
https://tus.io/protocols/resumable-upload. What was acknowledged is durable and sealed.
"""

from __future__ import annotations

from typing import Any

from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Field, Kind, Said, listed
from cloister.workflows.uploads import finish, receive
from cloister.workflows.uploads.rules import Rules

_TUS = {"tus-resumable": "1.0.0", "cache-control": "no-store"}
_BYTES = "application/offset+octet-stream"


def begin(asked: Asked) -> Said:
    """A new upload, for the dataset of that name."""
    made = receive.begin(asked.lab, asked.text("name"))
    return Said({"upload": made}, 201)


def all_uploads(asked: Asked) -> dict[str, Any]:
    """One's own uploads, the newest first."""
    items = receive.listed(asked.lab)
    return listed(items, None, len(items))


def one(asked: Asked) -> object:
    """How an upload stands: what is being done, and what was in the way."""
    return asked.desk.intake.standing(asked.lab, asked.named["upload"])


def announce(asked: Asked) -> dict[str, Any]:
    """More files that it brings: their paths, and the size of each."""
    files = asked.fields.get("files", {})
    known = asked.desk.intake.known
    first = receive.announce(asked.lab, asked.named["upload"], files, known)
    return {"first": first, "count": len(files)}


def files(asked: Asked) -> dict[str, Any]:
    """What it brings, and how much of each file is here."""
    found = receive.files(asked.lab, asked.named["upload"], asked.desk.intake.known)
    after, limit = asked.whole("after"), asked.whole("limit", 1000)
    shown = found[after : after + limit]
    following = str(after + limit) if after + limit < len(found) else None
    return listed(shown, following, len(found))


def offset(asked: Asked) -> Said:
    """How much of a file is here (tus: HEAD)."""
    known = asked.desk.intake.known
    found = receive.file(asked.lab, asked.named["upload"], _index(asked), known)
    there = {"upload-offset": str(found.received), "upload-length": str(found.size_bytes)}
    return Said(None, 204, _TUS | there)


def send(asked: Asked) -> Said:
    """More of a file (tus: PATCH); of what breaks off, all that came is kept."""
    said = asked.headers.get("upload-offset", "")
    right = asked.headers.get("content-type", "") == _BYTES
    at = int(said) if right and said.isdecimal() and len(said) < 16 else -1
    known = asked.desk.intake.known
    upload, index = asked.named["upload"], _index(asked)
    end = receive.receive(asked.lab, upload, index, at, asked.body, known)
    return Said(None, 204, _TUS | {"upload-offset": str(end)})


def add(asked: Asked) -> Said:
    """All is here: it is added, as `cloister add` would, in the background."""
    desk, upload = asked.desk, asked.named["upload"]
    rules = Rules(
        issuer=asked.text("issuer", "local"),
        column=asked.text("column") or None,
        pattern=asked.text("pattern") or None,
        labels=asked.text("labels") or None,
        label_columns=asked.texts("label_columns"),
        labels_are_data=asked.flag("labels_are_data"),
    )
    finish.complete(asked.lab, upload, rules, desk.intake.known)
    desk.intake.submit(desk.lab, upload)
    return Said({"upload": upload}, 202)


def withdraw(asked: Asked) -> Said:
    """It is not wanted any more: what came of it is removed."""
    receive.withdraw(asked.lab, asked.named["upload"])
    return Said(status=204)


def _index(asked: Asked) -> int:
    said = asked.named["index"]
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else -1


_ONE = "/uploads/{upload}"
_FILE = _ONE + "/files/{index}"
CALLS = (
    Call(
        "POST",
        "/uploads",
        begin,
        Action.ADD,
        (Field("name", required=True, most=64, example="\n"),),
        statuses=(201,),
    ),
    Call("GET", "/uploads", all_uploads, Action.ADD),
    Call("GET", _ONE, one, Action.ADD),
    Call("DELETE", _ONE, withdraw, Action.ADD, statuses=(204,)),
    Call(
        "GET",
        _ONE + "/files",
        files,
        Action.ADD,
        (
            Field("after", Kind.WHOLE, most=10**9),
            Field("limit", Kind.WHOLE, least=1, most=10_000),
        ),
    ),
    Call(
        "POST",
        _ONE + "/files",
        announce,
        Action.ADD,
        (Field("files", Kind.OBJECT, required=True, example={}),),
    ),
    Call("HEAD", _FILE, offset, Action.ADD, statuses=(204,)),
    Call("PATCH", _FILE, send, Action.ADD, takes_stream=True, statuses=(204,)),
    Call(
        "POST",
        _ONE + "/add",
        add,
        Action.ADD,
        (
            Field("issuer", most=200),
            Field("column", most=400),
            Field("pattern", most=1000),
            Field("labels", most=1024),
            Field("label_columns", Kind.TEXTS, most=500),
            Field("labels_are_data", Kind.FLAG),
        ),
        statuses=(202,),
    ),
)
