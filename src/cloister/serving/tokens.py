"""Bearer tokens, of which this process knows hashes only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from cloister.core.values import Actor


class HashedTokens:
    """A TokenCheck over a fixed list: SHA-256, hex, of each token and whose it is.

    Takes the same time whichever token matches, or none.
    """

    def __init__(self, tokens: Iterable[tuple[str, Actor]]) -> None:
        self._tokens = tuple((digest.encode(), actor) for digest, actor in tokens)

    def __call__(self, presented: str) -> Actor | None:
        """Whose token ``presented`` is, or None."""
        digest = hashlib.sha256(presented.encode(errors="replace")).hexdigest().encode()
        match = None
        for known, actor in self._tokens:
            if hmac.compare_digest(known, digest):
                match = actor
        return match
