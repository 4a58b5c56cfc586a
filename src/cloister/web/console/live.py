"""What changes, told as it happens: one watcher of the record, however many pages look on.

Server-sent events (WHATWG HTML 9.2): ``hello`` when it begins, ``change`` with a topic and the
size of the record; no content, which a page asks for as ever, with its own right to it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloister.core.errors import BadInput, CloisterError
from cloister.core.events import Event
from cloister.web.console.calls import Asked, Call, Field, Kind
from cloister.workflows.lab import Lab
from cloister.workflows.views.live import Grown, grown

_NOUNS: Mapping[str, str] = {
    **dict.fromkeys(("run", "tracked", "experiment", "artifact", "logged", "hub"), "runs"),
    **dict.fromkeys(("dataset", "record", "label", "labels", "version", "split"), "data"),
    **dict.fromkeys(("read", "intake"), "data"),
    **dict.fromkeys(("model", "statement", "deployment", "prediction"), "models"),
    **dict.fromkeys(("registered",), "models"),
    **dict.fromkeys(("person", "invitation", "credential", "project", "policy"), "people"),
    **dict.fromkeys(("session", "login", "token"), "access"),
    "approval": "approvals",
    **dict.fromkeys(("backup", "drill", "lab", "copy", "recovery"), "recovery"),
    **dict.fromkeys(("erase", "subject"), "erasures"),
    **dict.fromkeys(("job", "queue"), "queue"),
    **dict.fromkeys(("pipeline", "task"), "pipelines"),
    **dict.fromkeys(("sweep", "trial"), "sweeps"),
}
"""The topic of an event, by the first word of its type."""
_ONE: Mapping[str, str] = {
    "run": "run",
    "tracked": "run",
    "holder": "run",
    "dataset": "dataset",
    "deployment": "deployment",
    "job": "job",
    "flow": "flow",
    "sweep": "sweep",
}
"""The topic of one thing, by the field of an event that names it: ``run:ID``."""
_MOST_TOPICS = 50
_MOST_LISTENERS = 512
_BEAT_S = 10.0
_BASED_S = 5.0


def topics_of(event: Event) -> Iterator[str]:
    """What a page may have asked for that this event changes."""
    yield "ledger"
    noun = _NOUNS.get(event.type.partition(".")[0])
    if noun is not None:
        yield noun
    for name, topic in _ONE.items():
        value = event.body.get(name)
        if isinstance(value, str):
            yield f"{topic}:{value}"


class Watch:
    """Looks for what was committed, by whichever process, while anybody listens."""

    def __init__(self, lab: Lab, poll_s: float = 0.1) -> None:
        self._lab = lab
        self._poll_s = poll_s
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._over = threading.Event()
        self._based = threading.Event()
        self._thread: threading.Thread | None = None
        self.boot = lab.randomness(8).hex()
        """Another one after each start: a page that sees it change asks for all again."""

    @contextmanager
    def listening(self, topics: frozenset[str]) -> Iterator[Listener]:
        """Somebody who is told of ``topics``, while the block lasts; raises BadInput."""
        one = Listener(topics, asyncio.get_running_loop())
        with self._lock:
            if len(self._listeners) >= _MOST_LISTENERS:
                raise BadInput("too many pages listen", hint="close some of them")
            self._listeners.add(one)
            if self._thread is None and not self._over.is_set():
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
        if self._over.is_set():
            one.end()
        self._wake.set()
        try:
            yield one
        finally:
            with self._lock:
                self._listeners.discard(one)

    def close(self) -> None:
        """Ends all that listen, and the watching."""
        self._over.set()
        self._wake.set()
        with self._lock:
            for one in self._listeners:
                one.end()

    def since(self, size: int | None) -> tuple[int, frozenset[str] | None]:
        """How long the record is now, and what changed since it was of ``size``.

        Whatever comes after that is told to those who listen already.
        """
        self._based.wait(_BASED_S)
        found = grown(self._lab, size)
        return found.size, _topics(found)

    def _run(self) -> None:
        size: int | None = None
        while not self._over.is_set():
            with self._lock:
                idle = not self._listeners
                if idle:
                    size = None  # whoever comes later says what they have seen
                    self._based.clear()
                    self._wake.clear()
            if idle:
                self._wake.wait()
                continue
            size = self._look(size)
            if size is not None:
                self._based.set()
            self._over.wait(self._poll_s)

    def _look(self, size: int | None) -> int | None:
        try:
            found = grown(self._lab, size)
        except CloisterError:  # the database is away just now: looked for again
            return size
        if found.size != size and size is not None:
            self._tell(found)
        return found.size

    def _tell(self, found: Grown) -> None:
        topics = _topics(found)
        with self._lock:
            listeners = list(self._listeners)
        for one in listeners:
            one.tell(one.topics if topics is None else one.topics & topics, found.size)


def _topics(found: Grown) -> frozenset[str] | None:
    """None: anything may have changed."""
    if found.events is None:
        return None
    return frozenset(topic for one in found.events for topic in topics_of(one))


@dataclass(eq=False)
class Listener:
    """One page that looks on; changes that it did not take yet are kept once a topic."""

    topics: frozenset[str]
    loop: asyncio.AbstractEventLoop
    pending: dict[str, int] = field(default_factory=dict)
    ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, topics: frozenset[str], size: int) -> None:
        """From any thread."""
        if topics:
            self._soon(lambda: self.pending.update(dict.fromkeys(topics, size)))

    def end(self) -> None:
        """From any thread."""
        self._soon(lambda: setattr(self, "ended", True))

    def _soon(self, act: Callable[[], None]) -> None:
        def do() -> None:
            act()
            self._news.set()

        with suppress(RuntimeError):  # the loop has ended, and whoever listened with it
            self.loop.call_soon_threadsafe(do)

    async def news(self, longest_s: float) -> dict[str, int]:
        """What changed since the last call; empty once nothing has for so long."""
        try:
            async with asyncio.timeout(longest_s):
                await self._news.wait()
        except TimeoutError:
            return {}
        self._news.clear()
        taken, self.pending = self.pending, {}
        return taken


@dataclass(frozen=True, slots=True)
class Listening:
    """The answer of a call that goes on for as long as somebody listens."""

    topics: frozenset[str]
    since: int | None
    """How long the record was when the page asked for what it shows."""


class Telling(Response):
    """Tells one page, until it goes, its right to look ends, or the service does."""

    def __init__(
        self, watch: Watch, asked: Listening, still: Callable[[], bool], threads: Executor
    ) -> None:
        super().__init__(None, 200, {"x-accel-buffering": "no"}, "text/event-stream")
        del self.headers["content-length"]
        self._watch = watch
        self._asked = asked
        self._still = still
        self._threads = threads

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        gone = asyncio.ensure_future(_gone(receive))
        try:
            with self._watch.listening(self._asked.topics) as listener:
                telling = asyncio.ensure_future(self._tell(listener, send))
                await asyncio.wait([gone, telling], return_when=asyncio.FIRST_COMPLETED)
                telling.cancel()
                await asyncio.wait([telling])
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _tell(self, listener: Listener, send: Send) -> None:
        async def say(text: str) -> None:
            body = {"type": "http.response.body", "body": text.encode(), "more_body": True}
            await send(body)

        loop = asyncio.get_running_loop()
        since = self._asked.since
        size, topics = await loop.run_in_executor(self._threads, self._watch.since, since)
        hello = json.dumps({"boot": self._watch.boot, "at": size})
        await say(f"event: hello\ndata: {hello}\n\n")
        changed = listener.topics if topics is None else listener.topics & topics
        await say(_told(dict.fromkeys(changed, size)))
        checked_s = loop.time()
        while not listener.ended:
            news = await listener.news(_BEAT_S)
            if loop.time() - checked_s >= _BEAT_S:
                if not await loop.run_in_executor(self._threads, self._still):
                    await say("event: over\ndata: {}\n\n")
                    return
                checked_s = loop.time()
            await say(_told(news))


def _told(news: Mapping[str, int]) -> str:
    told = [{"topic": topic, "at": at} for topic, at in sorted(news.items())]
    events = (f"event: change\ndata: {json.dumps(one)}\n\n" for one in told)
    return "".join(events) or ": \n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def live(asked: Asked) -> Listening:
    """Tells what changes, as server-sent events, until whoever asks goes."""
    topics = frozenset(asked.text("topics").split(",")) - {""}
    if not topics or len(topics) > _MOST_TOPICS:
        raise BadInput(f"say 1 to {_MOST_TOPICS} topics, with commas between them")
    said = asked.whole("since", -1)
    return Listening(topics, None if said < 0 else said)


CALLS = (
    Call(
        "GET",
        "/live",
        live,
        fields=(
            Field("topics", required=True, example="ledger"),
            Field("since", Kind.WHOLE, most=1 << 60),
        ),
    ),
)
