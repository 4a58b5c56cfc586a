"""A fence on another machine, as the place of a job of this one."""

from __future__ import annotations

import hashlib
import os
import queue
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGWINCH
from typing import Any, Self

from cloister import fence
from cloister.core import errors
from cloister.core.errors import BadInput, CloisterError, MachineLost, Tampered
from cloister.core.values import FenceLevel, FenceReport
from cloister.fence import Captured, Door, FenceSpec, Files, Watch
from cloister.fence.interrupts import Interrupts
from cloister.fence.spec import Fill
from cloister.fence.walls import ALL_WALLS, satisfies
from cloister.runs.checkpoints import Looks
from cloister.runs.environment import Environment
from cloister.workflows.far.carrier import JOB, ROOM, Carrier, cost, pieces
from cloister.workflows.far.connection import Connection
from cloister.workflows.far.job import memory_bytes
from cloister.workflows.far.place import Deliver
from cloister.workflows.far.resting import Resting
from cloister.workflows.far.returned import Returned
from cloister.workflows.far.said import check
from cloister.workflows.far.sealed import Gone
from cloister.workflows.far.streams import MOST, Streams

_LOOKS_S = 0.5
_LONGEST = 500
_MOST_NOTES = 50
_MOST_METERS = 200
_COUNTS = (
    "exit_status",
    "network_attempts",
    "setup_ms",
    "wall_ms",
    "peak_memory_bytes",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job starts from, as the other machine has to know it before it begins."""

    argv: tuple[str, ...] = field(repr=False)
    archive: bytes = field(repr=False)
    """The code, as captured: the working folder there holds it and nothing else."""
    variables: Mapping[str, str] = field(repr=False)
    cpus: int = 0
    """How many it is to have there for itself; 0: all, with others."""
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What the other machine has for it."""

    environment: Environment
    settings: Mapping[str, str]
    """With what it will run there, and where that is."""


class There:
    """The place at the other end of a connection; for one job, and one thread.

    What goes there and comes back is bounded in memory at both ends. ``run`` raises
    MachineLost where the line ends before the job did.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._carrier = Carrier(connection.say)
        self._streams = Streams(self._carrier)
        self._came: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._held = 0
        self._lock = threading.Lock()
        self._fills: tuple[Fill, ...] = ()
        self._filled = self._anew = 0
        self._knocks = _Knocks(None, self._streams)
        self._metered: Mapping[str, float] = {}
        threading.Thread(target=self._listen, name="far", daemon=True).start()

    def prepare(self, wanted: Wanted, waits: Callable[[str], None]) -> Found:
        """Has what it needs looked for, and lent to it, there; nothing was begun yet.

        Raises BadInput for what the machine has not. ``waits`` is told where it waits for what
        others have.
        """
        self._carrier.tell(
            {
                "do": "prepare",
                "archive": wanted.archive,
                "argv": [os.fsencode(word) for word in wanted.argv],
                "cpus": wanted.cpus,
                "gpus": wanted.gpus,
                "variables": dict(wanted.variables),
            }
        )
        while (told := self._next(None))["do"] == "waits":
            waits(f"waits for GPUs or processors of {self._where}, which others have")
        if told["do"] != "prepared":
            raise Tampered("a machine said something before it was asked")
        description = bytes(told["description"])
        digest = hashlib.sha256(description).hexdigest()
        seen = {str(name)[:80]: str(text)[:200] for name, text in told["settings"].items()}
        settings = {**seen, "where": self._where}
        return Found(Environment(digest, description, 0), settings)

    def run(
        self,
        spec: FenceSpec,
        *,
        on_output: Deliver,
        on_error: Deliver | None = None,
        capture: Callable[[Captured], None] | None = None,
        watch: Watch | None = None,
    ) -> FenceReport:
        """See `Place`; of ``spec``, what the job starts from was said by ``prepare``."""
        looks = None if watch is None else watch.look
        if spec.tty or not isinstance(looks, Looks | None):
            raise BadInput("a job on another machine has no terminal, and nobody looks at it")
        room = spec.scratch_bytes or memory_bytes() // 2
        own = () if spec.prepared is None else (spec.prepared,)
        self._fills = (*own, *(one.fill for one in spec.data))
        self._anew = 0 if spec.required is FenceLevel.FULL else len(ALL_WALLS)
        errors_to = on_error or on_output
        with ExitStack() as ends:
            ends.callback(self._carrier.end)
            ends.callback(self._streams.end)
            interrupts = ends.enter_context(Interrupts())
            self._knocks = ends.enter_context(_Knocks(spec.door, self._streams))
            self._carrier.tell(_told(spec, room, looks))
            if not self._fills:
                interrupts.begin()
            hear = partial(self._next, interrupts)
            resting = Resting(looks, hear, self._carrier, room) if looks else None
            while (told := hear())["do"] != "report":
                if told["do"] == "said":
                    (on_output if told["stream"] == 1 else errors_to)(told["content"])
                    self._carrier.took(JOB, told)
                elif told["do"] == "fill":
                    self._fill(told["mount"])
                    if self._filled == len(self._fills):
                        interrupts.begin()
                elif told["do"] == "checkpoints" and resting is not None:
                    resting.take()
                elif told["do"] == "changes" and capture is not None:
                    capture(Returned(hear, self._carrier, room))
                    capture = resting = None  # it has ended
                else:
                    raise Tampered("a machine said what no job says")
        try:
            return _checked(told["report"], spec)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Tampered("a machine gives a report that is none") from error

    def sample(self) -> Mapping[str, float]:
        """What the machine said last of itself; see `Sampled`."""
        found, self._metered = self._metered, {}
        return found

    @property
    def _where(self) -> str:
        return self._connection.host.where

    def _fill(self, number: int) -> None:
        """Sends what the next mount holds; its beginning is on record before the first byte."""
        if number == 0 and self._filled and self._anew:  # a fence without a wall, made anew
            self._anew, self._filled = self._anew - 1, 0
        if number != self._filled or number >= len(self._fills):
            raise Tampered("a machine asked for data out of turn")
        self._filled += 1
        fill = self._fills[number]
        if not isinstance(fill, Files):
            raise BadInput("what a job is to be shown cannot be carried to another machine")
        with suppress(Gone):  # why, is heard next
            for one in fill.each():
                head = {"do": "file", "path": os.fsencode(one.path), "mtime": one.mtime_ns}
                for content, more in pieces(one.chunks):
                    self._carrier.send(JOB, {**head, "content": content, "more": more})
                    head = {"do": "content"}
            self._carrier.tell({"do": "filled"})

    def _next(self, interrupts: Interrupts | None) -> Mapping[str, Any]:
        """The next message of the job; raises what the other machine raised, MachineLost."""
        while True:
            for number in interrupts.taken() if interrupts else ():
                if number != SIGWINCH:
                    self._carrier.tell({"do": "signal", "number": number})
            try:
                told = self._came.get(timeout=_LOOKS_S)
            except queue.Empty:
                continue
            if told is None:
                raise MachineLost(
                    f"{self._where} does not answer any more: the job ended with the line",
                    hint="is it up? run it again, there or elsewhere",
                )
            with self._lock:
                self._held -= cost(told)
            if told["do"] == "refused":
                raise self._refused(told)
            return told

    def _refused(self, told: Mapping[str, Any]) -> CloisterError:
        kind = getattr(errors, str(told["kind"]), MachineLost)
        kind = (
            kind if isinstance(kind, type) and issubclass(kind, CloisterError) else MachineLost
        )
        hint = None if told["hint"] is None else str(told["hint"])[:_LONGEST]
        made: CloisterError = kind(f"{self._where}: {str(told['error'])[:_LONGEST]}", hint=hint)
        return made

    def _listen(self) -> None:
        try:
            self._connection.listen(self._take_in)
        finally:
            self._carrier.end()
            self._came.put(None)

    def _take_in(self, told: Mapping[str, Any]) -> None:
        """In the thread that listens: never waits. More than there is room for is no job's."""
        known = told["do"] == "alive" or self._carrier.heed(told) or self._streams.heed(told)
        if known:
            return
        check(told)
        if told["do"] == "knock":
            self._knocks.answer(told["stream"])
            return
        if told["do"] == "metered":
            some = list(told["found"].items())[:_MOST_METERS]
            self._metered = {str(name)[:80]: float(figure) for name, figure in some}
            return
        with self._lock:
            self._held += cost(told)
            if self._held > 4 * ROOM:
                raise Tampered("a machine says more than it was let")
        if told["do"] == "refused":
            self._carrier.end()
        self._came.put(told)


class _Knocks:
    """Ends connections to the job's door here, at whoever answers for it."""

    def __init__(self, door: Door | None, streams: Streams) -> None:
        self._door, self._streams = door, streams
        self._ends = ExitStack()
        self._address: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def answer(self, number: int) -> None:
        """One more; raises Tampered for a knock at no door, and for too many."""
        if self._door is None or self._streams.count >= MOST:
            raise Tampered("a machine knocks where no job could")
        if self._address is None:
            self._address = self._ends.enter_context(fence.scratch()) / "door"
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self._address))
            listener.listen(MOST)
            self._door.open(listener.detach())
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._address))
        except OSError as error:
            raise Tampered("a machine knocks once the door is shut") from error
        self._streams.begin(number, connection)


def _told(spec: FenceSpec, room: int, looks: Looks | None) -> dict[str, Any]:
    door, asked = spec.door, looks.checkpoints if looks else None
    return {
        "do": "run",
        "door": None if door is None else [door.port, dict(door.variables)],
        "every_s": 0.0 if asked is None else asked.every_s,
        "memory": spec.memory_limit_bytes,
        "mounts": [[os.fsencode(one.path), one.is_file, one.size_bytes] for one in spec.data],
        "prepared": spec.prepared is not None,
        "required": str(spec.required),
        "room": room,
        "watched": None if asked is None else [*map(os.fsencode, asked.patterns)],
        "workdir": os.fsencode(spec.workdir),
    }


def _checked(report: Mapping[str, Any], spec: FenceSpec) -> FenceReport:
    """What goes on record of it, unsealed; raises Tampered for a weaker fence than required."""
    notes = [str(one)[:_LONGEST] for one in report["notes"][:_MOST_NOTES]]
    refused = {str(name)[:_LONGEST]: int(n) for name, n in report["refused_syscalls"].items()}
    counts = {name: int(report[name]) for name in _COUNTS}
    level = FenceLevel(report["level"])
    if not satisfies(level, spec.required):
        raise Tampered("a machine reports a weaker fence than was required of it")
    return FenceReport(level=level, refused_syscalls=refused, notes=tuple(notes), **counts)
