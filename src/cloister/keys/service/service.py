"""One request answered: understood, permitted, done, noted."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict
from typing import Any

from cloister.core.clock import Clock
from cloister.core.errors import BadInput, CloisterError, DurabilityLost, NotAllowed
from cloister.keys import wire
from cloister.keys.service.calls import Call, Room, understand
from cloister.keys.service.journal import Journal, Request
from cloister.keys.service.leases import LeaseBook, permit
from cloister.keys.service.vault import Vault
from cloister.keys.values import Lease


class Service:
    """Answers decoded requests from any number of threads."""

    def __init__(
        self, vault: Vault, clock: Clock, uids: frozenset[int], memory_locked: bool
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._uids = uids
        self._memory_locked = memory_locked
        self._leases = LeaseBook(clock, lambda: vault.generation)
        self.stopping = threading.Event()
        self.failed = False

    def answer(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        """The reply; never raises for anything a request may hold."""
        try:
            return {"ok": True, "value": self._answer(request, uid)}
        except DurabilityLost as error:
            # What is on the disk is not known any more: stop, and settle at the next start.
            self.failed = True
            self.stopping.set()
            return wire.failure(error)
        except CloisterError as error:
            return wire.failure(error)

    def refusal(self, uid: int) -> dict[str, Any] | None:
        """The reply to a peer of an OS user that is not served at all; None to one that is."""
        if uid in self._uids:
            return None
        if self._vault.has_store:
            entry = Request(uid, "", "connect", 1, ())
            Journal(self._vault.store, self._clock).add(entry, NotAllowed.code)
        return wire.failure(NotAllowed(f"the key service does not answer uid {uid}"))

    def sweep(self) -> None:
        """Forgets what has run out."""
        if cleared := self._vault.tend():
            # An erasure that had not reached the second copy is complete now.
            found = Request(os.geteuid(), "second copy", "copy", len(cleared), ())
            Journal(self._vault.store, self._clock).add(found, "ok", durable=True)
        self._leases.drop_expired()

    def _answer(self, request: dict[str, Any], uid: int) -> Any:
        if request.get("v") != wire.PROTOCOL:
            raise BadInput(f"request: expected protocol {wire.PROTOCOL}")
        verb = request.get("verb")
        if verb == "status":
            return self._status(uid)
        if verb == "stop":
            return self._stop(request, uid)
        return self._call(understand(verb, request.get("arguments")), request, uid)

    def _call(self, call: Call, request: dict[str, Any], uid: int) -> Any:
        lease: Lease | None = None
        noted = Request(uid, "", str(request["verb"]), call.count, call.owners or ())
        try:
            if call.needs is not None:
                lease = self._lease(request)
                noted = Request(uid, lease.purpose, noted.verb, noted.count, noted.owners)
                if call.needs:
                    permit(lease, call.needs, call.owners)
            if call.bracketed:
                self._note(call, noted, "begun")  # durable with the call's own transaction
            value = call.act(Room(self._vault, self._leases, self._clock, lease))
        except CloisterError as error:
            self._note(call, noted, error.code)
            raise
        self._note(call, noted, "ok", durable=call.bracketed)
        return value

    def _lease(self, request: dict[str, Any]) -> Lease:
        self._vault.require_open()  # before what is wrong with a lease that a lock has ended
        token = request.get("lease")
        if not isinstance(token, bytes) or not token:
            raise NotAllowed("the key service answers leases, and none was shown")
        return self._leases.find(token)

    def _note(
        self, call: Call, request: Request, outcome: str, *, durable: bool = False
    ) -> None:
        if call.journalled and self._vault.has_store:
            Journal(self._vault.store, self._clock).add(request, outcome, durable=durable)

    def _status(self, uid: int) -> dict[str, Any]:
        return {
            "state": self._vault.state,
            "epoch": self._vault.epoch,
            "generation": self._vault.generation,
            "development_seal": uid == os.geteuid(),
            "lab": self._vault.lab,
            "pid": os.getpid(),
            "memory_locked": self._memory_locked,
            "shares": _shares(self._vault),
            "copy": asdict(self._vault.copy_status()),
        }

    def _stop(self, request: dict[str, Any], uid: int) -> None:
        """Needs a lease while there is something to protect, and the right uid always."""
        if self._vault.state == "open":
            permit(self._lease(request), "stop", None)
        self.stopping.set()


def _shares(vault: Vault) -> tuple[int, int, int] | None:
    """What is wrong with the record is for `unlock` to say."""
    try:
        shares = vault.shares()
    except CloisterError:
        return None
    return None if shares is None else (shares.threshold, shares.count, shares.number)
