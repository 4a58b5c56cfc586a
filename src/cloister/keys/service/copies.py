"""Which second copy is kept: begun, suspended, found again, given up."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cloister.core.errors import BadInput, Conflict, CopyUnavailable
from cloister.keys.providers._medium import on_copy, overwrite
from cloister.keys.providers.file import PENDING, SLOT_SIZE, SLOTS
from cloister.keys.providers.seam import DestroyReceipt, PassphraseRoot
from cloister.keys.service.copy import MARK, SecondCopy
from cloister.keys.service.keystore import COPIED, KeyStore
from cloister.keys.values import CopyStatus

_FACTS = ("copy", "copy_id", "copy_state", "changes")


class Copies:
    """The one second copy of a key store, or none; called under the vault's lock."""

    def __init__(
        self,
        store: KeyStore,
        provider: PassphraseRoot,
        randomness: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._store = store
        self._provider = provider
        self._randomness = randomness
        self._copy: SecondCopy | None = None

    def attach(self) -> None:
        """At unlocking: the copy is brought up to date, or found missing and said to be."""
        if self._store.meta("copy_state") != "kept":
            return
        folder, identity = Path(self._store.meta("copy")), self._store.meta("copy_id")
        self._use(self._second(folder, identity))
        with suppress(CopyUnavailable):
            self._store.ready_copy()

    def detach(self) -> None:
        """At locking: lets go of it."""
        self._use(None)

    def keep(self, folder: Path) -> CopyStatus:
        """Keeps a copy in ``folder`` from now on, or goes on with the one that lies there.

        Raises Conflict, BadInput for a folder that holds something else, CopyUnavailable
        with nothing changed.
        """
        known = self._store.meta("copy_id")
        identity = self._identity(folder, known)
        copy = self._second(folder, identity)
        if not known:
            copy.begin_folder()
        before = self._copy
        self._use(copy)
        try:
            self._store.ready_copy()
            with self._store.transaction():
                self._store.set_meta("version", str(COPIED))
                self._store.set_meta("copy", str(folder))
                self._store.set_meta("copy_id", identity)
                self._store.set_meta("copy_state", "kept")
                if not self._store.meta("changes"):
                    self._store.set_meta("changes", "1")
        except BaseException:
            self._use(before)
            raise
        return replace(self.status(), cleared=self.take_cleared())

    def suspend(self) -> CopyStatus:
        """Goes on without the copy until `keep` names its folder again."""
        self._require_known()
        self._use(None)
        with self._store.transaction(vital=False):
            self._store.set_meta("copy_state", "suspended")
        return self.status()

    def forget(self) -> CopyStatus:
        """Gives the copy up for good; its epoch key is destroyed there if it can be reached."""
        self._require_known()
        folder = Path(self._store.meta("copy"))
        gone = self._cleared(folder)
        self._use(None)
        with self._store.transaction(vital=False):
            self._store.delete_meta(_FACTS)
        why = "" if gone else "it could not be reached and still opens its own key store"
        return CopyStatus("none", str(folder), "", why)

    def status(self) -> CopyStatus:
        """How it stands."""
        identity, folder = self._store.meta("copy_id"), self._store.meta("copy")
        if not identity:
            return CopyStatus()
        if self._store.meta("copy_state") == "suspended":
            return CopyStatus("suspended", folder, identity)
        if self._copy is not None and self._copy.kept:
            return CopyStatus("kept", folder, identity)
        why = "the keys are locked" if self._copy is None else self._copy.why or "it went away"
        return CopyStatus("unreachable", folder, identity, why)

    def tend(self) -> tuple[int, ...]:
        """Writes what waits, and looks for a copy that was away; gives epochs cleared there."""
        if self._copy is None:
            return ()
        with suppress(CopyUnavailable):
            self._store.ready_copy()
        self._store.flush_copy()
        return self.take_cleared()

    def take_cleared(self) -> tuple[int, ...]:
        """The epochs whose key was destroyed on a copy that was away meanwhile; once."""
        if self._copy is None:
            return ()
        cleared, self._copy.cleared = self._copy.cleared, ()
        return cleared

    def judge(self, receipt: DestroyReceipt) -> DestroyReceipt:
        """The receipt with what it means for a copy that is not there to be written."""
        if receipt.copy == "pending" and self._copy is not None:
            self._copy.drop("an erasure could not be finished there")
        if self._store.meta("copy_state") != "suspended":
            return receipt
        text = receipt.text + PENDING.format(epoch=receipt.epoch)
        return DestroyReceipt(receipt.epoch, "L0", text, "pending")

    def _use(self, copy: SecondCopy | None) -> None:
        self._copy = copy
        self._store.keep_copy(copy)
        if copy is None:
            self._provider.mirror(None)

    def _second(self, folder: Path, identity: str) -> SecondCopy:
        return SecondCopy(folder, identity, self._store.meta("lab"), self._provider.mirror)

    def _identity(self, folder: Path, known: str) -> str:
        """The id of the copy in ``folder``: the one that is known, or a new one."""
        if not folder.is_absolute():
            raise BadInput("the folder of the second copy needs an absolute path")
        if not folder.parent.is_dir():
            raise BadInput("the folder that the second copy would lie in is not there")
        mark = _mark(folder)
        if known:
            if mark != [self._store.meta("lab"), known] and str(folder) != self._store.meta(
                "copy"
            ):
                raise Conflict(
                    "these keys have a second copy elsewhere",
                    hint="give that one up first: cloister keys copy --forget",
                )
            return known
        if not mark and folder.exists() and any(folder.iterdir()):
            raise Conflict("the folder of a second copy must be new or empty")
        if mark and mark[0] != self._store.meta("lab"):
            raise Conflict("the folder holds the keys of another lab")
        return self._randomness(8)

    def _require_known(self) -> None:
        if not self._store.meta("copy_id"):
            raise BadInput("no second copy is kept", hint="cloister keys copy FOLDER")

    def _cleared(self, folder: Path) -> bool:
        """Destroys the epoch key on the copy, then what makes the folder one."""
        if _mark(folder) != [self._store.meta("lab"), self._store.meta("copy_id")]:
            return False
        self._use(None)
        try:
            with on_copy():
                noise = secrets.token_bytes(SLOTS * SLOT_SIZE)
                overwrite(folder / "epoch.record", noise, 0)
                for path in (*folder.glob("keystore.db*"), folder / MARK):
                    path.unlink(missing_ok=True)
        except CopyUnavailable:
            return False
        return True


def _mark(folder: Path) -> list[str]:
    try:
        return (folder / MARK).read_text().split()
    except (OSError, UnicodeDecodeError):
        return []
