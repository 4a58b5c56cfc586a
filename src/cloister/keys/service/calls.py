"""The verbs of the key service: what each needs, touches and does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cloister.core.clock import Clock
from cloister.core.errors import BadInput
from cloister.core.ids import KeyId, LabId
from cloister.core.values import KeyRef
from cloister.keys import recovery
from cloister.keys.providers.seam import Credential
from cloister.keys.service import authority, shares
from cloister.keys.service.arguments import Arguments
from cloister.keys.service.journal import Journal
from cloister.keys.service.keyring import Keyring
from cloister.keys.service.leases import LeaseBook
from cloister.keys.service.probe import probe
from cloister.keys.service.vault import Vault
from cloister.keys.values import Lease, ShareSet
from cloister.keys.wire import UNKNOWN_VERB

_LONGEST_MESSAGE = 8 << 20
_MOST_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Room:
    """What a call works on, and under which lease it was asked."""

    vault: Vault
    leases: LeaseBook
    clock: Clock
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Call:
    """A request understood: nothing has happened yet."""

    act: Callable[[Room], Any]
    needs: str | None
    """The verb a lease must permit; None where no lease is asked for."""
    owners: Sequence[KeyId] | None = ()
    """Whom it is about; None where that is everyone, or whoever is not there yet."""
    count: int = 1
    journalled: bool = True
    bracketed: bool = False
    """Noted before it is done as well as after; both notes are durable when it is answered."""


def understand(verb: object, arguments: object) -> Call:
    """The call a request asks for; raises BadInput."""
    parse = _VERBS.get(verb) if isinstance(verb, str) else None
    if parse is None:
        raise BadInput(UNKNOWN_VERB)
    return parse(Arguments(arguments))


def lease_reply(lease: Lease) -> dict[str, Any]:
    """A lease as it travels to whoever may hold it."""
    owners = None if lease.owners is None else sorted(lease.owners)
    return {
        "token": lease.token,
        "purpose": lease.purpose,
        "verbs": sorted(lease.verbs),
        "owners": owners,
        "lifetime_s": lease.lifetime_s,
        "generation": lease.generation,
    }


def _create(given: Arguments) -> Call:
    lab, passphrase = LabId.parse(given.text("lab")), given.secret("passphrase")
    scheme = given.optional_scheme()

    def act(room: Room) -> dict[str, Any]:
        secret = recovery.new_secret()
        made, words = (None, []) if scheme is None else shares.split(secret, *scheme)
        room.vault.create(lab, passphrase, secret, made)
        code = recovery.write_code(secret) if made is None else None
        lease = lease_reply(room.leases.owner_lease())
        return {"code": code, "shares": _share_reply(made, words), "lease": lease}

    return Call(act, None)


def _share_reply(made: ShareSet | None, words: Sequence[str]) -> list[Any] | None:
    return None if made is None else [made.threshold, made.count, made.number, list(words)]


def _split(given: Arguments) -> Call:
    owner, scheme = Credential("passphrase", given.secret("passphrase")), given.scheme()

    def act(room: Room) -> list[Any] | None:
        secret = recovery.new_secret()
        made, words = shares.split(secret, *scheme)
        room.vault.change_recovery(owner, secret, made)
        return _share_reply(made, words)

    return Call(act, None)


def _check_shares(given: Arguments) -> Call:
    texts = given.texts("shares")
    return Call(lambda room: shares.check(texts, room.vault.shares()), None, journalled=False)


def _unlock(given: Arguments) -> Call:
    credential = Credential("passphrase", given.secret("passphrase"))

    def act(room: Room) -> dict[str, Any]:
        room.vault.unlock(credential)
        return lease_reply(room.leases.owner_lease())

    return Call(act, None)


def _recover(given: Arguments) -> Call:
    texts = given.texts("shares") if given.has("shares") else []
    code = None if texts else recovery.read_code(given.text("code"))
    passphrase = given.optional_secret("passphrase")

    def act(room: Room) -> dict[str, Any]:
        secret = shares.combine(texts, room.vault.shares()) if code is None else code
        room.vault.unlock(Credential("recovery", secret), passphrase)
        return lease_reply(room.leases.owner_lease())

    return Call(act, None)


def _change_passphrase(given: Arguments) -> Call:
    old, new = Credential("passphrase", given.secret("old")), given.secret("new")
    return Call(lambda room: room.vault.change_passphrase(old, new), None)


def _lock(_: Arguments) -> Call:
    def act(room: Room) -> None:
        room.vault.lock()
        room.leases.clear()

    return Call(act, "lock")


def _lease(given: Arguments) -> Call:
    purpose, verbs = given.text("purpose"), given.texts("verbs")
    owners, lifetime_s = given.optional_owners(), given.number("lifetime_s")

    def act(room: Room) -> dict[str, Any]:
        assert room.lease is not None
        return lease_reply(room.leases.narrow(room.lease, purpose, verbs, owners, lifetime_s))

    return Call(act, "lease", owners)


def _revoke(given: Arguments) -> Call:
    token = given.blob("token", 64)

    def act(room: Room) -> None:
        assert room.lease is not None
        room.leases.revoke(room.lease, token)

    return Call(act, "")


def _subjects(given: Arguments) -> Call:
    identities, create = given.identities(), given.flag("create")
    return Call(
        _on_keyring(lambda keyring: keyring.subjects(identities, create)),
        "subjects",
        None,
        len(identities),
    )


def _identities(given: Arguments) -> Call:
    owners = given.owners()
    return Call(
        _on_keyring(lambda keyring: keyring.identities(owners)),
        "identities",
        owners,
        len(owners),
    )


def _recognise(given: Arguments) -> Call:
    words = given.texts("words")
    return Call(
        _on_keyring(lambda keyring: keyring.recognise(words)), "recognise", None, len(words)
    )


def _new_owner(given: Arguments) -> Call:
    kind = given.text("kind")
    return Call(_on_keyring(lambda keyring: keyring.new_owner(kind)), "owners", None)


def _new_owners(given: Arguments) -> Call:
    kind, count = given.text("kind"), given.number("count")
    return Call(
        _on_keyring(lambda keyring: keyring.new_owners(kind, count)), "owners", None, count
    )


def _grants(given: Arguments) -> Call:
    requests = given.grant_requests()

    def grants(keyring: Keyring) -> list[tuple[bytes, bytes, bytes, str | None]]:
        return [
            (grant.key.seal_id, grant.key.object_key, grant.key.wrap, grant.duplicate_of)
            for grant in keyring.grants(requests)
        ]

    return Call(
        _on_keyring(grants), "grants", [request.owner for request in requests], len(requests)
    )


def _remember(given: Arguments) -> Call:
    entries = given.fingerprints()
    owners = [entry.owner for entry in entries]
    return Call(
        _on_keyring(lambda keyring: keyring.remember(entries)), "remember", owners, len(entries)
    )


def _open(given: Arguments) -> Call:
    refs = given.refs()
    return Call(
        _on_keyring(lambda keyring: keyring.open(refs)), "open", _owners(refs), len(refs)
    )


def _rewrap(given: Arguments) -> Call:
    refs, owner = given.refs(), given.owner("owner")
    owners = [*_owners(refs), owner]
    return Call(
        _on_keyring(lambda keyring: keyring.rewrap(refs, owner)), "rewrap", owners, len(refs)
    )


def _sign(given: Arguments) -> Call:
    purpose, message = given.text("purpose"), given.blob("message", _LONGEST_MESSAGE)
    return Call(lambda room: room.vault.lab_keys.sign(purpose, message), f"sign-{purpose[:16]}")


def _public_keys(_: Arguments) -> Call:
    return Call(lambda room: room.vault.lab_keys.public_keys(), None, journalled=False)


def _ca_certificate(_: Arguments) -> Call:
    return Call(
        lambda room: authority.as_pem(room.vault.lab_keys.ca_certificate),
        None,
        journalled=False,
    )


def _certificate(given: Arguments) -> Call:
    names, days = given.texts("names"), given.number("lifetime_days")

    def act(room: Room) -> dict[str, bytes]:
        keys = room.vault.lab_keys
        issued = authority.issue(
            keys.ca_certificate, keys.ca_key, names, days, room.clock.now()
        )
        return {"chain": issued.chain_pem, "key": issued.key_pem}

    return Call(act, "certificate")


def _erase(given: Arguments) -> Call:
    owners = given.owners()
    if not owners:
        raise BadInput("erase: nobody is named")
    return Call(
        lambda room: asdict(room.vault.erase(owners)),
        "erase",
        owners,
        len(owners),
        bracketed=True,
    )


def _journal(given: Arguments) -> Call:
    after, limit = given.number("after"), min(given.number("limit"), _MOST_ENTRIES)

    def act(room: Room) -> list[dict[str, Any]]:
        entries = Journal(room.vault.store, room.clock).entries(after, limit)
        return [asdict(entry) for entry in entries]

    return Call(act, "journal", None, journalled=False)


def _copy(given: Arguments) -> Call:
    """Where the second copy is kept, or that it is not for now, or not any more."""
    order, folder = given.text("order"), Path(given.text("folder"))
    if order not in {"keep", "suspend", "forget"}:
        raise BadInput("copy: the orders are keep, suspend and forget")

    def act(room: Room) -> dict[str, Any]:
        with room.vault.copies() as copies:
            status = copies.keep(folder) if order == "keep" else getattr(copies, order)()
        return asdict(status)

    return Call(act, "copy", None)


def _probe(given: Arguments) -> Call:
    path = Path(given.text("path"))
    return Call(lambda room: asdict(probe(path, room.vault)), "probe", None)


def _on_keyring(use: Callable[[Keyring], Any]) -> Callable[[Room], Any]:
    def act(room: Room) -> Any:
        with room.vault.keyring() as keyring:
            return use(keyring)

    return act


def _owners(refs: Sequence[KeyRef]) -> list[KeyId]:
    return [ref.owner for ref in refs]


_VERBS: Mapping[str, Callable[[Arguments], Call]] = {
    "create": _create,
    "unlock": _unlock,
    "recover": _recover,
    "split": _split,
    "check-shares": _check_shares,
    "change-passphrase": _change_passphrase,
    "lock": _lock,
    "lease": _lease,
    "revoke": _revoke,
    "subjects": _subjects,
    "identities": _identities,
    "recognise": _recognise,
    "new-owner": _new_owner,
    "new-owners": _new_owners,
    "grants": _grants,
    "remember": _remember,
    "open": _open,
    "rewrap": _rewrap,
    "sign": _sign,
    "public-keys": _public_keys,
    "ca-certificate": _ca_certificate,
    "certificate": _certificate,
    "erase": _erase,
    "journal": _journal,
    "copy": _copy,
    "probe": _probe,
}
