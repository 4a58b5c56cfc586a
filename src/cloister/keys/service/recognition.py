"""Which words of a text are local ids of the lab's own subjects, whoever issued them."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Iterator, Sequence

from cloister.keys._secret import wipe
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.rows import EpochSealer

_TOGETHER = 5000
_MARK_BYTES = 16


class Recognition:
    """An index from keyed marks of local ids to subjects, in this process's memory alone.

    The lookup by MAC needs the issuer, which a text does not name; and a mark that ignored
    the issuer, kept in the key store, would outlive nothing but would have to be erased like
    the rest. So it is made from the rows when it is first asked for, and again after subjects
    came or went: 100,000 take a second or two. Called only under the vault's lock.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._state: tuple[int, int] | None = None
        self._subjects: dict[bytes, list[str]] = {}

    def of(self, words: Sequence[str], store: KeyStore, sealer: EpochSealer) -> list[list[str]]:
        """The subjects with each word as their id, compared without case; mostly none."""
        state = (sealer.epoch, store.live_owners())
        if state != self._state:
            self.forget()
            for mark, subject in self._marks(store, sealer):
                self._subjects.setdefault(mark, []).append(subject)
            self._state = state
        return [self._subjects.get(self._mark(word), []) for word in words]

    def forget(self) -> None:
        """Drops the index: nothing of an erased subject stays in it."""
        self._subjects, self._state = {}, None

    def _marks(self, store: KeyStore, sealer: EpochSealer) -> Iterator[tuple[bytes, str]]:
        after = ""
        while rows := store.owners_after(after, _TOGETHER):
            after = rows[-1].id
            for row in rows:
                if row.mac is None or row.sealed is None:
                    continue  # a run, a collection, a subject without a name
                secret = sealer.open(row.id, row.sealed)
                wipe(secret.key)
                if secret.identity is not None:
                    yield self._mark(secret.identity[1]), row.id

    def _mark(self, word: str) -> bytes:
        plain = unicodedata.normalize("NFC", word).casefold().encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, plain, "sha256")[:_MARK_BYTES]
