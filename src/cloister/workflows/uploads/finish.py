"""Finish: an upload that is whole becomes a version, even if the process dies on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from cloister.biobank import SubjectRules
from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.errors import Conflict, KeysUnavailable, NotAllowed, UserError
from cloister.core.events import Transaction
from cloister.core.ids import UploadId
from cloister.core.progress import Progress, silent
from cloister.core.values import Actor
from cloister.datasets import uploads
from cloister.datasets.uploads import ADDED, ADDING, EXPIRED, OPEN, PURPOSE, Upload
from cloister.identity import people
from cloister.keys.seal import open_field, seal_field
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.store.landing import landed
from cloister.workflows.data.add import AddReport, AddRequest, add
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import open_keys, sources
from cloister.workflows.uploads._pieces import Known, landing
from cloister.workflows.uploads._staging import StagedUpload
from cloister.workflows.uploads.receive import own
from cloister.workflows.uploads.rules import Rules

KEPT = timedelta(days=7)
"""How long an upload waits for its next byte."""
PLACE = Path("/data")
"""Where jobs see what came through a browser: below it, under the dataset's name."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt to add an upload that came to an end."""

    upload: UploadId
    report: AddReport | None
    problem: UserError | NotAllowed | None
    """Why it is open again."""


def complete(lab: Lab, name: str, asked: Rules, known: Known) -> None:
    """All files are here: from now on the upload is being added, whatever happens.

    Raises Conflict while bytes are missing, BadInput for rules that cannot be used or that
    no file of it fits.
    """
    act = lab.act(Action.ADD)
    upload = own(lab, name, OPEN)
    _rules(asked).check()
    with lab.alone(upload.upload):
        entries = known.entries(lab, upload)
        place = landing(lab, upload.upload)
        lacking = sum(
            place.received(index) != one.size_bytes for index, one in enumerate(entries)
        )
        if lacking or not entries:
            raise Conflict(
                f"{lacking} of {len(entries)} files are not here yet",
                hint="send the rest of them first",
            )
        _ = StagedUpload(lab, upload, entries, asked).survey
        key = lab.keys.grants([GrantRequest(upload.collection)])[0].key
        plain = canonical(
            {
                "column": asked.column,
                "issuer": asked.issuer,
                "label_columns": list(asked.label_columns),
                "labels": asked.labels,
                "labels_are_data": asked.labels_are_data,
                "pattern": asked.pattern,
            }
        )
        body = {
            "bytes": sum(one.size_bytes for one in entries),
            "files": len(entries),
            "request": to_text(
                seal_field(key.object_key, PURPOSE, plain, upload.upload.encode())
            ),
            "seal": to_text(key.seal_id),
            "upload": upload.upload,
            "wrap": to_text(key.wrap),
        }
        act.record([act.event("intake.completed", body)])


def proceed(lab: Lab, name: str, progress: Progress = silent) -> Finished | None:
    """Adds an upload that is whole, as whoever sent it; None where there is nothing to do.

    Killed at any moment, the next call takes up what was sealed. What cannot be added as it
    was asked for is open again, and says why. Raises KeysUnavailable, and whatever breaks
    the lab: the upload waits then as it is.
    """
    with lab.alone(name):
        upload = lab.read(lambda tx: uploads.find(tx, name))
        if upload is None or upload.state != ADDING:
            return None
        sender = lab.read(lambda tx: _sender(lab, tx, upload))
        try:
            act = sender.act(Action.ADD)
            report = add(sender, _request(sender, upload), progress)
        except KeysUnavailable:
            raise
        except (UserError, NotAllowed) as error:
            _reopen(sender, upload, error.code)
            return Finished(upload.upload, None, error)
        _end(act, upload, report)
        return Finished(upload.upload, report, None)


def expire(lab: Lab) -> list[str]:
    """Removes what nobody sent more of for a week; gives the ids."""
    act = lab.act(Action.LIST)
    gone: list[str] = []
    for upload in lab.read(uploads.under_way):
        place = landing(lab, upload.upload)
        latest = place.touched_s() if place.exists else 0.0
        age = timedelta(seconds=lab.clock.now().timestamp() - latest)
        if (upload.state == ADDING and place.exists) or age < KEPT:
            continue
        try:
            with lab.alone(upload.upload):
                place.remove()
                body = {"how": EXPIRED, "number": None, "upload": upload.upload}
                act.record([act.event("intake.ended", body)])
        except Conflict:
            continue  # somebody is at it
        gone.append(upload.upload)
    return gone


def tidy(lab: Lab) -> None:
    """Removes bytes of uploads that ended: whoever ended them was killed before."""
    waiting = {one.upload for one in lab.read(uploads.under_way)}
    for name in landed(lab.folder):
        if name not in waiting:
            landing(lab, name).remove()


def _request(lab: Lab, upload: Upload) -> AddRequest:
    asked = _asked(lab, upload)
    folders = {dataset.name: path for path, dataset in sources(lab).items()}
    entries = Known().entries(lab, upload)
    return AddRequest(
        folder=folders.get(upload.name, PLACE / upload.name),
        rules=_rules(asked),
        name=upload.name,
        checks=lab.may(Action.READ),
        stages=StagedUpload(lab, upload, entries, asked),
    )


def _asked(lab: Lab, upload: Upload) -> Rules:
    assert upload.request is not None
    key = open_keys(lab, [upload.key])[upload.key.seal_id]
    said = json.loads(open_field(key, PURPOSE, upload.request, upload.upload.encode()))
    return Rules(**{**said, "label_columns": tuple(said["label_columns"])})


def _rules(asked: Rules) -> SubjectRules:
    return SubjectRules(asked.issuer, asked.column, asked.pattern)


def _sender(lab: Lab, tx: Transaction, upload: Upload) -> Lab:
    """The lab as whoever sent it gets it today; of somebody who left, with no role."""
    member, via = people.by_id(tx, upload.actor), f"upload:{upload.upload}"
    if member is None or member.removed is not None:
        nobody = Actor(upload.actor, "", via, frozenset(), frozenset(), present=False)
        return replace(lab, actor=nobody)
    return replace(lab, actor=people.actor(tx, member, via, present=False))


def _reopen(lab: Lab, upload: Upload, code: str) -> None:
    act = Act(lab, "what was asked for could not be done")
    act.record([act.event("intake.reopened", {"code": code, "upload": upload.upload})])


def _end(act: Act, upload: Upload, report: AddReport) -> None:
    shown = report.version or report.current
    number = None if shown is None else shown.number
    body = {"how": ADDED, "number": number, "upload": upload.upload}
    act.record([act.event("intake.ended", body)])
    landing(act.lab, upload.upload).remove()
