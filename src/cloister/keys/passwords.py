"""Passwords of people, as argon2id hashes; never as anything else.

RFC 9106's second recommendation: 64 MiB, three passes. A server under attack spends memory on
every guess, so only so many are worked on at once.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from cloister.core.errors import BadInput

SHORTEST, LONGEST = 12, 256
_ITERATIONS, _MEMORY_KIB, _LANES = 3, 64 << 10, 1
_AT_ONCE = threading.Semaphore(4)
_COMMON = frozenset(
    {"password", "passwort", "cloister", "hospital", "krankenhaus", "qwertyuiop"}
)


def check_password(password: str, *names: str) -> None:
    """Raises BadInput for one that others would try first.

    Length is what counts (NIST SP 800-63B); no rules about digits and capitals.
    """
    plain = password.casefold()
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"a password has {SHORTEST} to {LONGEST} characters")
    if len(set(plain)) < 5:
        raise BadInput("this password repeats itself", hint="a sentence is easy to remember")
    rest = plain
    for word in (*_COMMON, *(name.casefold() for name in names if name)):
        rest = rest.replace(word, "")
    if len(rest) < SHORTEST // 2:
        raise BadInput(
            "this password is among the first that are tried", hint="four random words are not"
        )


def hash_password(password: str) -> str:
    """Its argon2id hash in PHC form, with a fresh salt."""
    with _AT_ONCE:
        return _kdf(secrets.token_bytes(16)).derive_phc_encoded(_bytes(password))


def password_fits(password: str, hashed: str | None) -> bool:
    """Whether ``password`` is the one; takes as long for an account that has none."""
    with _AT_ONCE:
        if hashed is None or len(password) > LONGEST:
            # The same work for nothing: time must not tell which accounts there are.
            _kdf(bytes(16)).derive(_bytes(password[:LONGEST]))
            return False
        try:
            Argon2id.verify_phc_encoded(_bytes(password), hashed)
        except InvalidKey:
            return False
    return True


def _kdf(salt: bytes) -> Argon2id:
    return Argon2id(
        salt=salt, length=32, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_MEMORY_KIB
    )


def _bytes(password: str) -> bytes:
    """Typed on another keyboard it is the same password (NIST SP 800-63B 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
