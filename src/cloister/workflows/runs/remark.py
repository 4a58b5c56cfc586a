"""Remark: what a member writes about a run, over nothing that they have not read."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloister.core.encoding import to_text
from cloister.core.errors import BadInput, Conflict
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.identity import people
from cloister.keys.seal import open_field, seal_field
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.runs import remarks
from cloister.runs.history import Run
from cloister.runs.remarks import Remark
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.tracking.recording import one, record
from cloister.workflows.unseal import open_keys

LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Written:
    """One text about a run."""

    place: int
    """Where the ledger has it: what the next one says it was written over."""
    who: str
    time: str
    text: str | None = field(repr=False)
    """None where the key was destroyed."""


def read(lab: Lab, run: str) -> list[Written]:
    """All that was written about it, oldest first: the last holds; raises NotFound."""

    lab.act(Action.READ)

    def query(tx: Transaction) -> tuple[list[Remark], dict[str, str]]:
        found = _seen.run(lab, tx, run, Action.READ)
        names = {one.person: one.name for one in people.everyone(tx, removed=True)}
        return remarks.everything(tx, found.run), {
            str(key): name for key, name in names.items()
        }

    found, names = lab.read(query)
    keys = open_keys(lab, [each.key for each in found])
    return [
        Written(
            each.place,
            names.get(each.actor, each.actor),
            each.time,
            _text(each, keys.get(each.seal)),
        )
        for each in found
    ]


def write(lab: Lab, run: str, text: str, over: int | None) -> int:
    """Writes ``text`` over the entry that the writer had read; gives where it stands.

    Raises Conflict where somebody wrote since: both texts are kept, the other's on record and
    this one with its writer. Raises NotFound, BadInput for a text that is too long.
    """
    if len(text) > LONGEST:
        raise BadInput(f"a remark has at most {LONGEST} characters: this has {len(text)}")
    act = lab.act(Action.LABEL)
    found = lab.read(lambda tx: _permitted(lab, tx, run))
    grant = lab.keys.grants([GrantRequest(RunId(found.run))])[0].key
    sealed = seal_field(grant.object_key, remarks.PURPOSE, text.encode(), found.run.encode())

    def change(tx: Transaction) -> tuple[list[Event], None]:
        last = remarks.latest(tx, found.run)
        if (last.place if last else None) != over:
            raise Conflict(
                f"somebody wrote about {found.run} since you began",
                hint="read what they wrote; then save yours over it, or both together",
            )
        body = {
            "base": over,
            "run": found.run,
            "seal": to_text(grant.seal_id),
            "text": to_text(sealed),
            "wrap": to_text(grant.wrap),
        }
        return one(act, "run.remarked", body), None

    record(act, change)
    return lab.read(lambda tx: _place(tx, found.run, grant.seal_id))


def _permitted(lab: Lab, tx: Transaction, run: str) -> Run:
    """What is written over must have been read."""
    _seen.run(lab, tx, run, Action.READ)
    return _seen.run(lab, tx, run, Action.LABEL)


def _place(tx: Transaction, run: RunId, seal: bytes) -> int:
    return next(each.place for each in remarks.everything(tx, run) if each.seal == seal)


def _text(remark: Remark, key: bytes | None) -> str | None:
    if key is None:
        return None
    plain = open_field(key, remarks.PURPOSE, remark.text, remark.run.encode())
    return plain.decode("utf-8", "replace")
