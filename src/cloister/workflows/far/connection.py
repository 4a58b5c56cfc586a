"""A connection to another machine: greeted, under a key of its own, heard while it lives."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import BadInput, NotFound, Tampered
from cloister.keys.exchange import Exchange
from cloister.runs.environment import Environment
from cloister.runs.settings import NUMERIC
from cloister.workflows.far.relay import own_code
from cloister.workflows.far.sealed import HEARTBEAT_S, QUIET_S, Gone, Line, Sealing

_GREETING_S = 60.0


@dataclass(frozen=True, slots=True)
class Host:
    """What another machine said of itself."""

    where: str
    """Its address, and by what it was known."""
    environment: Environment
    settings: Mapping[str, str]
    slots: int
    gpus: int
    """How many it can lend."""
    python: str
    """The path of the interpreter that answers."""

    def settings_for(self, here: Mapping[str, str]) -> dict[str, str]:
        """What changes the bits of a result there, and where that is."""
        numeric = {name: text for name, text in here.items() if name in NUMERIC}
        return {**self.settings, **numeric, "where": self.where}


class Connection:
    """One end of a sealed line whose other end is a relay.

    All that crosses is sealed under a key that both ends made for this connection and that
    ends with it. The relay there ends when it does not hear from here.
    """

    def __init__(self, line: Line, sealing: Sealing, host: Host) -> None:
        self.host = host
        self._line, self._sealing = line, sealing
        self._lock = threading.Lock()
        self._over = False

    @classmethod
    def greet(cls, line: Line, slots: int = 0) -> Self:
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
        return cls(line, Sealing(key, far=False), host)

    def say(self, told: Mapping[str, Any]) -> None:
        """Seals it and sends it; any thread."""
        with self._lock:  # sealed in the order in which it is sent
            self._line.say(self._sealing.seal(told))

    def listen(self, take_in: Callable[[Mapping[str, Any]], None]) -> None:
        """Hands over what comes, until the line is gone, quiet, or anything on it is wrong."""
        threading.Thread(target=self._beat, name="far-beat", daemon=True).start()
        last_s = time.monotonic()
        try:
            while time.monotonic() - last_s < QUIET_S:
                sealed = self._line.hear(1.0)
                if sealed is not None:
                    last_s = time.monotonic()
                    take_in(self._sealing.open(sealed))
        except (Gone, Tampered, ValueError, TypeError, KeyError):
            pass  # a line on which anything is wrong is used no more
        finally:
            self.close()

    def close(self) -> None:
        """Hangs up; the relay ends, and its fence with it."""
        self._over = True
        self._line.close()

    def _beat(self) -> None:
        while not self._over:
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
    slots = slots or max(1, int(hello["slots"]))
    python = os.fsdecode(hello["python"])
    return Host(line.where, found, told, slots, int(hello["gpus"]), python)
