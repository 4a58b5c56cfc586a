"""``python -m cloister.app.keyd``: the key service's process."""

from __future__ import annotations

import argparse
import os
import pwd
import signal
import sys
from pathlib import Path

from cloister.core.clock import SystemClock
from cloister.core.errors import CloisterError
from cloister.core.files import exclusive, private_folder
from cloister.keys.providers import open_provider
from cloister.keys.service.hardening import harden
from cloister.keys.service.server import Server
from cloister.keys.service.service import Service
from cloister.keys.service.vault import Vault


def main(arguments: list[str] | None = None) -> int:
    """Serves one keys folder until stopped; gives the exit status."""
    options = _options(arguments)
    if options.detach and os.fork():
        return 0
    try:
        memory_locked = harden()
        # Two key services would undo each other's erasures.
        with exclusive(private_folder(options.keys) / "keyd.lock"):
            return _serve(options, memory_locked)
    except CloisterError as error:
        sys.stderr.write(f"cloister-keyd: {error.message}\n")
        _tell(options.ready_fd, f"{error.code} {error.message}")
        return error.exit_status


def _serve(options: argparse.Namespace, memory_locked: bool) -> int:
    clock = SystemClock()
    vault = Vault(options.keys, open_provider(options.provider, options.keys), clock)
    vault.start()
    uids = frozenset({os.geteuid(), *options.allow_user})
    service = Service(vault, clock, uids, memory_locked)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: service.stopping.set())
    server = Server(service, options.socket, shared=bool(options.allow_user))
    listener = server.bind()
    _tell(options.ready_fd, "ready")
    server.run(listener)
    vault.close()
    return 7 if service.failed else 0


def _uid(text: str) -> int:
    """The uid of a user named, or given as a number."""
    try:
        return int(text) if text.isdecimal() else pwd.getpwnam(text).pw_uid
    except KeyError as error:
        raise argparse.ArgumentTypeError("no such user on this machine") from error


def _tell(descriptor: int | None, word: str) -> None:
    """Lets the launcher know how the start went."""
    if descriptor is not None:
        os.write(descriptor, word.encode())
        os.close(descriptor)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cloister-keyd", description="The key service.")
    parser.add_argument("--keys", type=Path, required=True, help="the keys folder")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--provider", default="file:", help="what keeps the epoch key")
    parser.add_argument(
        "--allow-user", type=_uid, action="append", default=[], metavar="USER",
        help="another OS user to answer, by name or uid; repeatable",
    )  # fmt: skip
    parser.add_argument("--detach", action="store_true", help="go on as an orphan")
    parser.add_argument("--ready-fd", type=int, help="told how the start went")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
