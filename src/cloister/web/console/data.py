"""Datasets, versions, what is wrong with them, and who looked at them."""

from __future__ import annotations

from typing import Any

from cloister.labels.parse import LabelRules
from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Download, Field, Kind, listed
from cloister.workflows.data.retract import retract
from cloister.workflows.uploads.labels import relabel_from
from cloister.workflows.views import access, data, diff, findings

_NEWEST = "latest"
_LAST = 2**53


def all_datasets(asked: Asked) -> dict[str, Any]:
    """Every dataset, with its newest version and what the last check of it found."""
    items = data.datasets(asked.lab)
    return listed(items, None, len(items))


def version(asked: Asked) -> object:
    """One version, whole; ``latest`` is the newest."""
    return data.version(asked.lab, _reference(asked))


def records(asked: Asked) -> dict[str, Any]:
    """Records of a version; with ``names`` their paths and labels, which is on record."""
    page = data.record_page(
        asked.lab,
        _reference(asked),
        after=asked.whole("after", -1) if "after" in asked.fields else -1,
        most=asked.whole("limit", 100),
        names=asked.flag("names"),
    )
    return listed(page.items, None if page.next is None else str(page.next), page.total)


def balance(asked: Asked) -> dict[str, Any]:
    """How the labels of a version are spread: reads them all, which is on record."""
    items = data.balance(asked.lab, _reference(asked))
    return listed(items, None, len(items))


def found(asked: Asked) -> object:
    """What the last check of a version found: codes and counts."""
    return findings.findings(asked.lab, _reference(asked))


def found_listed(asked: Asked) -> dict[str, Any]:
    """The same with the records that it is about, which is on record as read."""
    items = findings.listed(asked.lab, _reference(asked))
    return listed(items, None, len(items))


def picture(asked: Asked) -> Download:
    """A small picture of a record, which is on record as read."""
    record = asked.named["record"]
    png = asked.desk.pictures.thumbnail(asked.lab, record)
    chunks = (one for one in (png,))
    return Download(f"{record}.png", chunks, len(png), "image/png", inline=True)


def read_by(asked: Asked) -> dict[str, Any]:
    """Who read a version or a record of it, when, what for and why they might."""
    before = asked.whole("after", _LAST)
    page = access.access(
        asked.lab, _reference(asked), before=before, most=asked.whole("limit", 50)
    )
    following = None if page.next is None else str(page.next)
    return listed(page.items, following, page.total) | {"runs": page.runs}


def difference(asked: Asked) -> object:
    """What sets two versions apart; with ``names`` paths too, which is on record."""
    name = asked.named["dataset"]
    older, newer = (f"{name}@{asked.whole(which)}" for which in ("older", "newer"))
    return diff.difference(asked.lab, older, newer, names=asked.flag("names"))


def take_back(asked: Asked) -> object:
    """Retracts the newest version, where it is young and nobody used it."""
    done = retract(asked.lab, _reference(asked))
    return {"version": done.version, "current": done.current}


def label(asked: Asked) -> object:
    """New labels for records of the newest version, from a table that is sent."""
    rules = LabelRules(
        asked.text("issuer") or "local",
        asked.text("column") or None,
        None,
        asked.texts("label_columns"),
    )
    return relabel_from(asked.lab, asked.named["dataset"], asked.body, rules)


def _reference(asked: Asked) -> str:
    number = asked.named["number"]
    name = asked.named["dataset"]
    return name if number == _NEWEST else f"{name}@{number}"


_VERSION = "/data/{dataset}/{number}"
_NAMES = Field("names", Kind.FLAG)
_AFTER = Field("after", Kind.WHOLE, most=_LAST)
_LIMIT = Field("limit", Kind.WHOLE, least=1, most=1000)
CALLS = (
    Call("GET", "/data", all_datasets),
    Call(
        "GET",
        "/data/{dataset}/diff",
        difference,
        fields=(
            Field("older", Kind.WHOLE, required=True, least=1, most=10**9),
            Field("newer", Kind.WHOLE, required=True, least=1, most=10**9),
            _NAMES,
        ),
    ),
    Call("GET", _VERSION, version),
    Call("GET", _VERSION + "/records", records, fields=(_AFTER, _LIMIT, _NAMES)),
    Call("GET", _VERSION + "/balance", balance, Action.READ),
    Call("GET", _VERSION + "/findings", found),
    Call("GET", _VERSION + "/findings/list", found_listed, Action.READ),
    Call("GET", _VERSION + "/access", read_by, Action.AUDIT, (_AFTER, _LIMIT)),
    Call("POST", _VERSION + "/retract", take_back, Action.ADD),
    Call(
        "POST",
        "/data/{dataset}/labels",
        label,
        Action.LABEL,
        (
            Field("issuer", most=200),
            Field("column", most=400),
            Field("label_columns", Kind.TEXTS, most=500),
        ),
        takes_stream=True,
    ),
    Call("GET", "/records/{record}/picture", picture, Action.READ),
)
