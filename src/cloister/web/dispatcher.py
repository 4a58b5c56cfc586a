"""The queue's service: sees who waits, gives turns, starts processes, sets right what died."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cloister.core.errors import CloisterError, DurabilityLost
from cloister.jobs.asks import Box
from cloister.web.runners import Nursery
from cloister.web.tender import Tender
from cloister.workflows.lab import Lab
from cloister.workflows.leases.wish import machine
from cloister.workflows.queue.dispatch import clear_logs, dispatch, set_right
from cloister.workflows.queue.service import socket_path

_LOOKS_S = 0.5
"""How often it looks without being woken: at jobs that were killed, and at direct ones."""
_CLEARS_EVERY = 240


@contextmanager
def dispatching(
    lab: Lab, nursery: Nursery, on_failure: Callable[[DurabilityLost], None]
) -> Iterator[None]:
    """Starts jobs, and pipelines that are due, while the block lasts; those that run go on
    after it.

    Whatever was under way when an earlier service was killed is found first, by its locks.
    """
    path = socket_path(lab)
    path.unlink(missing_ok=True)  # of a service that was killed: the gateway's lock is ours
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(64)
    dispatcher = Dispatcher(lab, nursery, on_failure)
    tender = Tender(lab, nursery, on_failure)
    threads = [
        threading.Thread(target=tender.run, name="schedules", daemon=True),
        threading.Thread(target=dispatcher.run, name="queue", daemon=True),
        threading.Thread(target=dispatcher.hear, args=(listener,), name="wake", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        tender.over.set()
        dispatcher.over.set()
        dispatcher.woken.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        nursery.close()
        listener.close()


class Dispatcher:
    """Gives turns as long as it is not over."""

    def __init__(
        self, lab: Lab, nursery: Nursery, on_failure: Callable[[DurabilityLost], None]
    ) -> None:
        self._lab = lab
        self._nursery = nursery
        self._on_failure = on_failure
        self.over = threading.Event()
        self.woken = threading.Event()

    def run(self) -> None:
        """Until it is over, or the record broke."""
        box, looks = machine(), 0
        try:
            self._nursery.ready()
            while not self.over.is_set():
                self._look(box, clear=looks % _CLEARS_EVERY == 0)
                looks += 1
                self.woken.wait(_LOOKS_S)
                self.woken.clear()
        except DurabilityLost as failure:
            self._on_failure(failure)

    def _look(self, box: Box, *, clear: bool) -> None:
        try:
            for run, lock in dispatch(self._lab, box):
                try:
                    self._nursery.start(run, lock)
                finally:
                    os.close(lock)  # the runner has its own
            set_right(self._lab)
            if clear:
                clear_logs(self._lab)
        except DurabilityLost:
            raise
        except CloisterError:  # the keys are locked just now: tried again
            return

    def hear(self, listener: socket.socket) -> None:
        """Whoever connects wakes it, and says nothing: the queue is in the record."""
        while not self.over.is_set():
            try:
                listener.accept()[0].close()
            except OSError:
                return
            self.woken.set()
