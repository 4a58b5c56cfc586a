"""What the newest check of a version left sealed, read again; the reading is on record."""

from __future__ import annotations

from collections.abc import Callable

from cloister.core.errors import Erased, NotFound
from cloister.core.events import Transaction
from cloister.core.values import ObjectRef
from cloister.datasets import checked
from cloister.datasets.checked import Check
from cloister.datasets.versions import DatasetVersion
from cloister.keys.seal import open_sealed
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys


def kept_report(lab: Lab, reference: str) -> tuple[Check, bytes]:
    """The newest check of a version and its page, as sealed then; the reading is on record.

    Raises NotFound when it was never checked, Erased when somebody named in it was erased.
    """

    def gone(version: DatasetVersion) -> Erased:
        return Erased(
            f"the report on {version} named a patient who was erased: its key was destroyed",
            hint=f"make another: cloister check {version}",
        )

    return _read(lab, reference, lambda check: check.report, gone)


def kept_list(lab: Lab, reference: str) -> tuple[Check, bytes]:
    """As `kept_report`, the list of what was found, as canonical JSON."""

    def gone(version: DatasetVersion) -> Erased:
        return Erased(
            f"the findings of {version} named a patient who was erased",
            hint=f"check again: cloister check {version}",
        )

    return _read(lab, reference, lambda check: check.listed, gone)


def newest(tx: Transaction, version: DatasetVersion) -> Check | None:
    """The last check of a version; None where there was none."""
    kept = checked.of_version(tx, version.dataset, version.number)
    return kept[-1] if kept else None


def _read(
    lab: Lab,
    reference: str,
    part: Callable[[Check], ObjectRef],
    gone: Callable[[DatasetVersion], Erased],
) -> tuple[Check, bytes]:
    act = lab.act(Action.READ)

    def query(tx: Transaction) -> tuple[DatasetVersion, Check | None]:
        version = _seen.version(lab, tx, reference, Action.READ)
        return version, newest(tx, version)

    version, check = lab.read(query)
    if check is None:
        raise NotFound(f"{version} was not checked", hint=f"cloister check {version}")
    kept = part(check)
    operation = act.begin_read("report", dataset=version.dataset, number=version.number)
    key = open_keys(lab, [kept.key]).get(kept.key.seal_id)
    if key is None:
        act.record([act.end_read(operation, 0, 0)])
        raise gone(version)
    plain = open_sealed(lab.store.read(kept.name), key, kept.key.seal_id)
    act.record([act.end_read(operation, 0, len(plain))])
    return check, plain
