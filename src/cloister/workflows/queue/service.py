"""The service that starts jobs: whether it is up, and how it is woken."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from cloister.workflows.lab import Lab

_PATIENCE_S = 2.0
_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): process, user, group."""


def socket_path(lab: Lab) -> Path:
    """Where it listens: in this user's own folder, so only this user's service is found."""
    return lab.runtime / "queue.sock"


def wake(lab: Lab) -> bool:
    """Has the service look at the queue at once; False where none is up.

    Only one of this very user of the operating system counts: a job runs with its rights.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(_PATIENCE_S)
        try:
            one.connect(str(socket_path(lab)))
            size = _CREDENTIALS.size
            found = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        except OSError:
            return False
        return bool(_CREDENTIALS.unpack(found)[1] == os.geteuid())
