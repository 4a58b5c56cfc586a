"""What starts a pipeline besides a person: times, and what other pipelines make new."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cloister.core.errors import BadInput
from cloister.pipelines.places import Place, here, wrong

MISFIRES = ("latest", "all", "skip")
_ASSET = re.compile(
    r"dataset:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
    r"|bucket:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}/[^/\x00-\x1f][^\x00-\x1f]{0,511}"
    r"|model:[A-Za-z0-9][A-Za-z0-9_.: -]{0,127}(@[A-Za-z0-9_-]{1,128})?"
)
ASSETS = "an asset is dataset:NAME, bucket:DATASET/PREFIX, model:NAME or model:NAME@ALIAS"
_SHORTEST_S = 10.0


@dataclass(frozen=True, slots=True)
class Trigger:
    """One reason to run."""

    kind: str
    """``cron``, ``every`` or ``asset``."""
    what: str
    """The five fields of cron, a number of seconds, or an asset such as ``dataset:NAME``."""
    zone: str = "UTC"

    def __str__(self) -> str:
        if self.kind == "every":
            return f"every {_spoken(float(self.what))}"
        return f"{self.kind} {self.what}" + (f" {self.zone}" if self.kind == "cron" else "")

    def times(self, after: datetime) -> Iterator[datetime]:
        """When it is due, in UTC, later than ``after``; none for an asset.

        A wall-clock time that the change to summer time leaves out comes right after the gap;
        one that the change back repeats comes once.
        """
        if self.kind == "cron":
            from cronsim import CronSim

            for due in CronSim(self.what, after.astimezone(ZoneInfo(self.zone))):
                yield due.astimezone(UTC)
        elif self.kind == "every":
            step = float(self.what)
            number = int(after.timestamp() // step) + 1
            while True:  # counted from the epoch: the same times after every restart
                yield datetime.fromtimestamp(number * step, UTC)
                number += 1

    def due(self, since: datetime, now: datetime, misfire: str) -> list[datetime]:
        """The times in (since, now] to run for, as ``misfire`` says; at most a thousand."""
        passed: list[datetime] = []
        for time in self.times(since):
            if time > now or len(passed) > 1000:
                break
            passed.append(time)
        if misfire == "all" or not passed:
            return passed
        late = now - passed[-1] > timedelta(seconds=60)
        return [] if misfire == "skip" and late else passed[-1:]

    def plain(self) -> dict[str, Any]:
        """As it stands in a plan."""
        return {"kind": self.kind, "what": self.what, "zone": self.zone}


def cron(fields: str, *, zone: str = "UTC") -> Trigger:
    """At the times of the five fields of cron, by the clock of ``zone`` (``Europe/Berlin``)."""
    return _checked(Trigger("cron", fields, zone), here())


def every(*, seconds: float = 0, minutes: float = 0, hours: float = 0) -> Trigger:
    """Again and again, counted from midnight UTC of 1 January 1970; 10 seconds at least."""
    return _checked(Trigger("every", str(seconds + 60 * minutes + 3600 * hours)), here())


def asset(name: str) -> Trigger:
    """Whenever it is made new, by a task's ``outlets`` or otherwise.

    ``dataset:NAME``: it gets a new version. ``bucket:NAME/PREFIX``: one with new records whose
    paths begin so. ``model:NAME@ALIAS``: the alias is given to a version of a registered model.
    """
    return _checked(Trigger("asset", name), here())


def is_asset(name: str) -> bool:
    """Whether ``name`` can be that of an asset."""
    return isinstance(name, str) and _ASSET.fullmatch(name) is not None


def _spoken(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _checked(trigger: Trigger, place: Place) -> Trigger:
    try:
        check_trigger(trigger)
    except BadInput as error:
        raise wrong(place, error.message, error.hint) from error
    return trigger


def check_trigger(trigger: Trigger) -> None:
    """Raises BadInput for a trigger that would never, or too often, fire."""
    if trigger.kind == "asset":
        if not is_asset(trigger.what):
            raise BadInput(f"{trigger.what!r} is no asset", hint=ASSETS)
        return
    if trigger.kind == "every":
        try:
            seconds = float(trigger.what)
        except ValueError as error:
            raise BadInput("every(...) takes a number") from error
        if not _SHORTEST_S <= seconds <= 366 * 86400:
            raise BadInput("every(...) is between 10 seconds and a year")
        return
    if trigger.kind != "cron":
        raise BadInput(f"no such trigger: {trigger.kind}")
    _check_cron(trigger)


def _check_cron(trigger: Trigger) -> None:
    try:
        from cronsim import CronSim, CronSimError
    except ModuleNotFoundError as error:
        raise BadInput(
            "schedules need a library that is not installed: cronsim",
            hint="pip install 'cloister[pipelines]'",
        ) from error
    try:
        ZoneInfo(trigger.zone)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(f"no such time zone: {trigger.zone}", hint="Europe/Berlin") from error
    try:
        next(CronSim(trigger.what, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise BadInput(
            f"{trigger.what!r} is no time of cron", hint="minute hour day month weekday"
        ) from error


def checked_triggers(triggers: Sequence[Trigger], misfire: str, place: Place) -> None:
    """Raises BadInput for what cannot start a pipeline."""
    if misfire not in MISFIRES:
        raise wrong(place, f"misfire is {', '.join(MISFIRES)}, not {misfire!r}")
    if not all(isinstance(one, Trigger) for one in triggers):
        raise wrong(place, "on= takes cron(...), every(...), asset(...), or a list of them")
