"""The key service as seen from any other process."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from cloister.core.errors import BadInput, CloisterError, KeyServiceDown, NotAllowed
from cloister.core.ids import KeyId, SubjectId
from cloister.core.signing import PublicKey
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys import wire
from cloister.keys.replies import copy_of, lease_of, recovery_of, status_of
from cloister.keys.values import (
    Certificate,
    CopyStatus,
    ErasureReceipt,
    Fingerprint,
    Grant,
    GrantRequest,
    JournalEntry,
    KeyStatus,
    Lease,
    ProbeResult,
    Recovery,
)

K = TypeVar("K", bound=KeyId)
T = TypeVar("T")

_BATCH = 4096
_TIMEOUT_S, _LONG_TIMEOUT_S = 60.0, 900.0
_CONNECT_TIMEOUT = struct.pack("ll", 10, 0)


class KeyClient:
    """Asks the key service, under one lease; any number of threads may share it.

    Every method raises KeyServiceDown when it does not answer, Locked while it has no root
    key, NotAllowed when the lease does not permit the request. Batches of any length may be
    passed: long ones travel in several messages. The key service must run as ``keyd_uid``, the
    caller's own OS user unless said otherwise, or as root. The owner's lease is kept between
    commands at ``lease_path``, beside the socket unless said otherwise.
    """

    def __init__(
        self,
        socket_path: Path,
        lease: Lease | None = None,
        keyd_uid: int | None = None,
        lease_path: Path | None = None,
    ) -> None:
        self.socket_path = socket_path
        self.lease_path = lease_path or socket_path.with_name("owner.lease")
        self._keyd_uid = os.geteuid() if keyd_uid is None else keyd_uid
        self.lease_held = lease
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def status(self) -> KeyStatus:
        """What the key service says of itself; needs no lease."""
        return status_of(self._ask("status"))

    def create(
        self, lab: str, passphrase: str, scheme: tuple[int, int] | None = None
    ) -> tuple[Recovery, Lease]:
        """Makes the keys of a new lab; gives what recovers them and the owner's lease.

        That is a code, or with a ``scheme`` (needed, made) shares. Raises Conflict when the
        folder holds keys already, BadInput for a scheme that cannot be.
        """
        needed, made = scheme or (None, None)
        reply = self._ask(
            "create", lab=lab, passphrase=passphrase, threshold=needed, count=made
        )
        self.lease_held = lease_of(reply["lease"])
        return recovery_of(reply["code"], reply["shares"]), self.lease_held

    def split(self, passphrase: str, scheme: tuple[int, int]) -> Recovery:
        """Fresh shares in place of the recovery code or shares there were until now.

        Raises WrongPassphrase, BadInput, CopyUnavailable.
        """
        threshold, count = scheme
        reply = self._ask("split", passphrase=passphrase, threshold=threshold, count=count)
        return recovery_of(None, reply)

    def check_shares(self, shares: Sequence[str]) -> list[int]:
        """The numbers of these shares; raises BadInput naming the first that is no good."""
        return [int(number) for number in self._ask("check-shares", shares=list(shares))]

    def unlock(self, passphrase: str) -> Lease:
        """Opens the keys and gives the owner's lease; raises WrongPassphrase, KeyMissing."""
        self.lease_held = lease_of(self._ask("unlock", passphrase=passphrase))
        return self.lease_held

    def unlock_with_recovery(self, code: str, new_passphrase: str | None = None) -> Lease:
        """Opens the keys with the recovery code, setting a new passphrase if one is given."""
        reply = self._ask("recover", code=code, passphrase=new_passphrase)
        self.lease_held = lease_of(reply)
        return self.lease_held

    def unlock_with_shares(
        self, shares: Sequence[str], new_passphrase: str | None = None
    ) -> Lease:
        """The same with as many shares as are needed; raises BadInput, WrongPassphrase."""
        reply = self._ask("recover", shares=list(shares), passphrase=new_passphrase)
        self.lease_held = lease_of(reply)
        return self.lease_held

    def change_passphrase(self, old: str, new: str) -> None:
        """Replaces the passphrase; raises WrongPassphrase when ``old`` is not it."""
        self._ask("change-passphrase", old=old, new=new)

    def lock(self) -> None:
        """Forgets every key and lease."""
        self._ask("lock")

    def stop(self) -> None:
        """Ends the key service."""
        self._ask("stop")
        self.close()

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def lease(
        self,
        purpose: str,
        verbs: Sequence[str],
        owners: Sequence[KeyId] | None,
        lifetime_s: int,
    ) -> Lease:
        """A narrower lease, to hand to another process; never wider than the one held."""
        names = None if owners is None else list(owners)
        return lease_of(
            self._ask(
                "lease", purpose=purpose, verbs=list(verbs), owners=names, lifetime_s=lifetime_s
            )
        )

    def revoke(self, lease: Lease) -> None:
        """Ends a lease and all that were made from it."""
        self._ask("revoke", token=lease.token)

    def subjects(
        self, identities: Sequence[tuple[str, str]], create: bool
    ) -> list[SubjectId | None]:
        """The subject behind each (issuer, local id); None where unknown and not ``create``."""
        return [
            None if name is None else SubjectId(name)
            for batch in _batches(identities)
            for name in self._ask("subjects", identities=batch, create=create)
        ]

    def identities(self, subjects: Sequence[SubjectId]) -> list[tuple[str, str] | None]:
        """(issuer, local id) of each subject; None once erased, or if it never had one."""
        return [
            None if pair is None else (pair[0], pair[1])
            for batch in _batches(subjects)
            for pair in self._ask("identities", owners=batch)
        ]

    def recognise(self, words: Sequence[str]) -> list[tuple[SubjectId, ...]]:
        """The subjects whose local id each word is, whoever issued it, in whatever case."""
        return [
            tuple(map(SubjectId, names))
            for batch in _batches(words)
            for names in self._ask("recognise", _timeout_s=_LONG_TIMEOUT_S, words=batch)
        ]

    def new_owner(self, kind: type[K]) -> K:
        """A fresh key for a run, a collection or a subject nobody has named yet."""
        return kind(self._ask("new-owner", kind=kind.prefix))

    def new_owners(self, kind: type[K], count: int) -> list[K]:
        """As many fresh keys, for the price of one; at most 1,024."""
        return [kind(one) for one in self._ask("new-owners", kind=kind.prefix, count=count)]

    def grants(self, requests: Sequence[GrantRequest]) -> list[Grant]:
        """A fresh object key for each request; raises Erased, KeyMissing naming the owner."""
        granted: list[Grant] = []
        for batch in _batches(requests):
            asked = [(request.owner, request.fingerprint_of) for request in batch]
            granted += [
                Grant(KeyGrant(request.owner, seal_id, object_key, wrap), duplicate_of)
                for request, (seal_id, object_key, wrap, duplicate_of) in zip(
                    batch, self._ask("grants", requests=asked), strict=True
                )
            ]
        return granted

    def remember(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Notes which object holds which plaintext; call it once the object is durable."""
        for batch in _batches(fingerprints):
            rows = [(entry.owner, entry.sha256, entry.name) for entry in batch]
            self._ask("remember", fingerprints=rows)

    def open(self, refs: Sequence[KeyRef]) -> list[bytes | None]:
        """The object key behind each reference; None where the owner's key was destroyed.

        Raises Tampered when a wrap fails, KeyMissing when an owner is unknown.
        """
        keys: list[bytes | None] = []
        for batch in _batches(refs):
            keys += self._ask(
                "open", refs=[(ref.owner, ref.seal_id, ref.wrap) for ref in batch]
            )
        return keys

    def rewrap(self, refs: Sequence[KeyRef], owner: KeyId) -> list[KeyRef]:
        """The same object keys under another owner; the old wraps still open until erased."""
        moved: list[KeyRef] = []
        for batch in _batches(refs):
            asked = [(ref.owner, ref.seal_id, ref.wrap) for ref in batch]
            wraps = self._ask("rewrap", refs=asked, owner=owner)
            moved += [
                KeyRef(owner, ref.seal_id, wrap) for ref, wrap in zip(batch, wraps, strict=True)
            ]
        return moved

    def sign(self, purpose: str, message: bytes) -> bytes:
        """An Ed25519 signature by the lab's ``log`` or ``statement`` key."""
        return bytes(self._ask("sign", purpose=purpose, message=message))

    def public_keys(self) -> dict[str, PublicKey]:
        """What checks the signatures of ``log`` and ``statement``."""
        return {
            purpose: PublicKey.parse(text) for purpose, text in self._ask("public-keys").items()
        }

    def signer(self, purpose: str) -> RemoteSigner:
        """A core `Signer` for ``log`` or ``statement``."""
        return RemoteSigner(self, purpose, self.public_keys()[purpose])

    def server_certificate(self, names: Sequence[str], lifetime_days: int) -> Certificate:
        """A TLS certificate for these host names and addresses, under the lab's CA."""
        reply = self._ask("certificate", names=list(names), lifetime_days=lifetime_days)
        return Certificate(reply["chain"], reply["key"])

    def ca_certificate(self) -> bytes:
        """The certificate, as PEM, that clients of the lab's servers trust."""
        return bytes(self._ask("ca-certificate"))

    def erase(self, owners: Sequence[KeyId]) -> ErasureReceipt:
        """Destroys these owners' keys for ever, before it returns; may be repeated.

        Raises KeyMissing, with nothing changed, when an owner is unknown.
        """
        reply = self._ask("erase", _timeout_s=_LONG_TIMEOUT_S, owners=list(owners))
        return ErasureReceipt(**reply)

    def journal(self, after: int, limit: int) -> list[JournalEntry]:
        """What was asked of the key service, from entry ``after`` + 1 on.

        Fewer than ``limit`` where they are long; none at the end only.
        """
        return [
            JournalEntry(**{**entry, "owners": tuple(entry["owners"])})
            for entry in self._ask("journal", after=after, limit=limit)
        ]

    def keep_copy(self, folder: Path) -> CopyStatus:
        """Keeps a second copy of the keys in ``folder``, up to date before every answer.

        Raises Conflict, BadInput for a folder that holds something else, CopyUnavailable.
        """
        asked = {"order": "keep", "folder": str(folder.absolute())}
        return copy_of(self._ask("copy", _timeout_s=_LONG_TIMEOUT_S, **asked))

    def suspend_copy(self) -> CopyStatus:
        """Goes on without the second copy until it is kept again."""
        return copy_of(self._ask("copy", order="suspend", folder=""))

    def forget_copy(self) -> CopyStatus:
        """Gives the second copy up for good."""
        return copy_of(self._ask("copy", order="forget", folder=""))

    def probe_keystore(self, path: str) -> ProbeResult:
        """How many keys of the key store at ``path`` open with today's epoch key."""
        return ProbeResult(**self._ask("probe", _timeout_s=_LONG_TIMEOUT_S, path=path))

    def _ask(self, verb: str, *, _timeout_s: float = _TIMEOUT_S, **arguments: Any) -> Any:
        token = b"" if self.lease_held is None else self.lease_held.token
        request = {"v": wire.PROTOCOL, "verb": verb, "lease": token, "arguments": arguments}
        try:
            with self._connection(_timeout_s) as connection:
                with suppress(BrokenPipeError):  # a refusal may lie in wait
                    wire.send(connection, request)
                reply = wire.receive(connection)
                if reply.get("closing"):
                    connection.close()
        except (OSError, wire.Hangup) as error:
            raise KeyServiceDown(
                f"the key service does not answer ({verb})",
                hint="start it again: cloister unlock",
            ) from error
        if reply.get("ok") is not True:
            raise _hinted(wire.raised(reply))
        return reply["value"]

    @contextmanager
    def _connection(self, timeout_s: float) -> Iterator[socket.socket]:
        """An idle connection or a new one; kept for the next request if this one went well."""
        connection = self._take()
        try:
            connection.settimeout(timeout_s)
            yield connection
        except BaseException:
            connection.close()
            raise
        if connection.fileno() != -1:
            with self._lock:
                self._idle.append(connection)

    def _take(self) -> socket.socket:
        with self._lock:
            if self._pid != os.getpid():  # a forked child must not share its parent's streams
                self._idle, self._pid = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if _alive(connection):
                    return connection
                connection.close()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # unix(7): a full backlog makes a blocking connect wait, for so long.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _CONNECT_TIMEOUT)
            with wire.reachable(self.socket_path) as name:
                connection.connect(name)
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: socket.socket) -> None:
        """Whoever listens gets passphrases and data: it must be the key service's own user."""
        uid = wire.peer_uid(connection)
        if uid not in {0, self._keyd_uid}:
            raise NotAllowed(f"uid {uid} answers in the key service's place")


class RemoteSigner:
    """Signs through the key service."""

    def __init__(self, client: KeyClient, purpose: str, public_key: PublicKey) -> None:
        self._client = client
        self._purpose = purpose
        self._public_key = public_key

    @property
    def public_key(self) -> PublicKey:
        """What checks its signatures."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes; raises KeysUnavailable."""
        return self._client.sign(self._purpose, message)


def _hinted(error: CloisterError) -> CloisterError:
    """What a key service that was started by an earlier release does not know."""
    if isinstance(error, BadInput) and error.message == wire.UNKNOWN_VERB:
        error.hint = "it was started by an earlier release: cloister lock --stop, then unlock"
    return error


def _alive(connection: socket.socket) -> bool:
    """Whether an idle connection still has a peer, and nothing of an old reply in it."""
    connection.settimeout(0.0)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
