"""A worker on another machine, as an executor here."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgpack  # type: ignore[import-untyped]

from cloister.core.canonical import canonical
from cloister.core.errors import BadInput, FenceUnavailable, NotFound, Tampered
from cloister.core.values import FenceLevel
from cloister.keys.exchange import Exchange
from cloister.runs.environment import Environment
from cloister.runs.history import fence_report
from cloister.runs.settings import NUMERIC
from cloister.workflows.pipelines._sealed import HEARTBEAT_S, QUIET_S, Gone, Line, Sealing
from cloister.workflows.pipelines._worker import LONGEST_LOG, Spoken
from cloister.workflows.pipelines.far import own_code

_GREETING_S = 60.0
_LAST_S = 15.0


@dataclass(frozen=True, slots=True)
class Host:
    """What another machine said of itself."""

    where: str
    """Its address, and by what it was known."""
    environment: Environment
    settings: Mapping[str, str]
    slots: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker on another machine gets to make its fence from."""

    archive: bytes
    """The code, as captured: the working folder there holds it and nothing else."""
    workdir: bytes
    variables: Mapping[str, str]
    required: FenceLevel


class Far(Spoken):
    """The executors ``ssh:`` and ``ray:``: a fence on another machine, behind a sealed line.

    All that crosses is sealed under a key that both ends made for this connection and that
    ends with it. The worker there ends when it does not hear from here, and what it was at
    is reported as lost. Used by one thread.
    """

    def __init__(self, line: Line, sealing: Sealing, host: Host, bell: threading.Event) -> None:
        super().__init__(host.slots, bell)
        self.host = host
        self._line, self._sealing = line, sealing
        self._lock = threading.Lock()
        self._reported = threading.Event()
        self._opened = self._closed = False

    @classmethod
    def reach(cls, line: Line, slots: int, bell: threading.Event) -> Self:
        """Greets, and agrees on a key; nothing else was said yet.

        Raises NotFound where nobody answers, BadInput where another Cloister does.
        """
        try:
            hello = msgpack.unpackb(line.hear(_GREETING_S) or b"")
            exchange = Exchange()
            key = exchange.agree(hello["public"])
            host = _host(line, hello, slots)
            line.say(exchange.public)
        except Gone as error:
            line.close()
            raise NotFound(
                f"no worker at {line.where}: {error}",
                hint="log in by hand, without a password; see that Cloister is installed there",
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            line.close()
            raise BadInput(f"what answers at {line.where} is no worker of Cloister") from error
        except BaseException:
            line.close()
            raise
        return cls(line, Sealing(key, far=False), host, bell)

    def open(self, told: Told) -> None:
        """Has the fence made there; whether the host can, ``plan`` says."""
        self._opened = True
        threading.Thread(target=self._listen, name="far", daemon=True).start()
        threading.Thread(target=self._beat, name="far-beat", daemon=True).start()
        self.say(
            {
                "do": "open",
                "archive": told.archive,
                "required": str(told.required),
                "slots": self._slots,
                "variables": dict(told.variables),
                "workdir": told.workdir,
            }
        )

    def say(self, told: Mapping[str, Any]) -> None:
        """Seals it and sends it."""
        with self._lock:  # sealed in the order in which it is sent
            self._line.say(self._sealing.seal(told))

    def close(self) -> None:
        """Ends the worker and its fence; waits a little for what the fence has to report."""
        if self._closed:
            return
        self._closed = True
        if self._opened and not self._reported.is_set():
            self.say({"do": "end"})
            self._reported.wait(_LAST_S)
        self._line.close()

    def _listen(self) -> None:
        last_s = time.monotonic()
        try:
            while time.monotonic() - last_s < QUIET_S:
                sealed = self._line.hear(1.0)
                if sealed is not None:
                    last_s = time.monotonic()
                    self._take_in(self._sealing.open(sealed))
        except (Gone, Tampered, ValueError, TypeError, KeyError):
            pass  # a line on which anything is wrong is used no more
        finally:
            self._reported.set()
            self._end()
            self._line.close()

    def _take_in(self, said: Mapping[str, Any]) -> None:
        if said["do"] == "log":
            self.log += said["log"][: LONGEST_LOG - len(self.log)]
        elif said["do"] == "report":
            if said["report"] is not None:
                self.report = fence_report(canonical(said["report"]).decode())
            self._reported.set()
        elif said["do"] == "over":
            self._end()
        elif said["do"] == "plan" and said.get("kind") == FenceUnavailable.__name__:
            text = f"{self.host.where}: {said['error']}"
            self._failure = FenceUnavailable(text, hint=str(said["hint"]))
            self._heard(None)
        elif said["do"] in {"plan", "done"}:
            self._heard(dict(said))

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._heard(None)

    def _beat(self) -> None:
        while not (self._over or self._closed):
            self.say({"do": "alive"})
            time.sleep(HEARTBEAT_S)


def _host(line: Line, hello: Mapping[str, Any], slots: int) -> Host:
    if hello["cloister"] != own_code():
        raise BadInput(
            f"{line.where} has another Cloister than this machine",
            hint="install the same version at both ends",
        )
    description = bytes(hello["description"])
    found = Environment(str(hello["environment"]), description, 0)
    told = {str(name): str(text)[:200] for name, text in dict(hello["settings"]).items()}
    return Host(line.where, found, told, slots or max(1, int(hello["slots"])))


def settings_there(host: Host, here: Mapping[str, str]) -> dict[str, str]:
    """What changes the bits of a result there, and where that is."""
    numeric = {name: text for name, text in here.items() if name in NUMERIC}
    return {**host.settings, **numeric, "where": host.where}
