"""Safeguard: what brings the keys back, recovery shares and a second copy."""

from __future__ import annotations

from pathlib import Path

from cloister.core.clock import timestamp
from cloister.core.errors import BadInput
from cloister.keys.create import Kit, kit
from cloister.keys.values import CopyStatus
from cloister.policy import Action
from cloister.proof.trust import LabKeys
from cloister.workflows.lab import Lab


def split_recovery(lab: Lab, passphrase: str, scheme: tuple[int, int]) -> Kit:
    """A fresh set of shares, any ``scheme[0]`` of which open the keys; older ones are void.

    Raises WrongPassphrase, BadInput for a scheme that cannot be.
    """
    act = lab.act(Action.KEYS)
    made = lab.keys.split(passphrase, scheme)
    assert made.shares is not None
    shares = made.shares
    body = {"threshold": shares.threshold, "count": shares.count, "set": shares.name}
    act.record([act.event("recovery.changed", body)])
    public = lab.keys.public_keys()
    lines = LabKeys(public["log"], public["statement"]).text()
    return kit(lab.id, made, timestamp(lab.clock.now()), lines)


def keep_copy(lab: Lab, folder: Path) -> CopyStatus:
    """Keeps a second copy of the keys in ``folder``: each change is there before it counts.

    Named again, it goes on with the copy that lies there. Raises BadInput for a place that
    would bring keys and data together, Conflict, CopyUnavailable.
    """
    act = lab.act(Action.KEYS)
    folder = folder.resolve()
    for place in map(Path.resolve, lab.private):
        if folder.is_relative_to(place) or place.is_relative_to(folder):
            raise BadInput(
                "the second copy would lie with the lab or its keys",
                hint="choose a folder on another disk, or on a mount of another machine",
            )
    status = lab.keys.keep_copy(folder)
    act.record([act.event("copy.changed", _body(status))])
    return status


def suspend_copy(lab: Lab) -> CopyStatus:
    """Goes on without the copy: new keys are on one disk alone until it is kept again."""
    act = lab.act(Action.KEYS)
    status = lab.keys.suspend_copy()
    act.record([act.event("copy.changed", _body(status))])
    return status


def forget_copy(lab: Lab) -> CopyStatus:
    """Gives the copy up; what makes it one is destroyed there, if it can be reached."""
    act = lab.act(Action.KEYS)
    before = lab.keys.status().copy
    status = lab.keys.forget_copy()
    cleared = not status.why
    body = {"cleared": [], "copy": before.id, "state": "destroyed" if cleared else "lost"}
    act.record([act.event("copy.changed", body)])
    return status


def _body(status: CopyStatus) -> dict[str, object]:
    return {"cleared": list(status.cleared), "copy": status.id, "state": status.state}
