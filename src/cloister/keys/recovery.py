"""The recovery kit: what opens the keys when the passphrase is lost.

Format: docs/formats/recovery-kit.md.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from cloister.core.errors import BadInput
from cloister.core.ids import Randomness

SECRET_SIZE = 20
"""160 bits: beyond any search, so the code needs no slow derivation."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
_LETTERS, _GROUP = 36, 4
_CHECK = b"cloister recovery code v1"


@dataclass(frozen=True, slots=True)
class RecoveryKit:
    """Printed once, kept on paper away from the machine."""

    lab: str
    code: str = field(repr=False)
    created: str
    public_keys: str = ""
    """``lab.pub`` as it was made: what a replaced one is compared with."""

    def text(self) -> str:
        """The sheet to print."""
        return (
            "Cloister recovery kit\n"
            f"lab      {self.lab}\n"
            f"created  {self.created}\n"
            f"code     {self.code}\n"
            "\n"
            "This code opens the lab's keys when the passphrase is lost, together with the\n"
            "lab's keys folder. Keep it on paper, away from the machine: whoever has both can\n"
            "read every patient's data. To use it: cloister unlock --recovery\n"
            f"{self._trust()}"
        )

    @classmethod
    def read(cls, text: str) -> RecoveryKit:
        """The kit on a sheet that `text` wrote; raises BadInput for anything else."""
        found: dict[str, str] = {}
        for line in text.splitlines():
            name, _, value = line.strip().partition(" ")
            if name in {"lab", "created", "code", "log", "statement"} and value.strip():
                found.setdefault(name, value.strip())
        if not {"lab", "code"} <= found.keys():
            raise BadInput(
                "not a recovery kit: expected its lines `lab` and `code`",
                hint="give the file that `cloister init --save-kit` wrote, or type the sheet",
            )
        keys = [f"{name} {found[name]}" for name in ("log", "statement") if name in found]
        return cls(found["lab"], found["code"], found.get("created", ""), "\n".join(keys))

    def _trust(self) -> str:
        keys = "".join(f"{line}\n" for line in self.public_keys.splitlines())
        return f"\nThe lab's public keys, as lab.pub must hold them:\n{keys}" if keys else ""


def new_secret(randomness: Randomness = secrets.token_bytes) -> bytes:
    """A fresh secret for a code."""
    return randomness(SECRET_SIZE)


def write_code(secret: bytes) -> str:
    """The secret as nine groups of four letters; the last group is a checksum."""
    number = int.from_bytes(secret, "big") << 20 | _checksum(secret)
    letters = "".join(
        _ALPHABET[number >> 5 * place & 31] for place in range(_LETTERS - 1, -1, -1)
    )
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def read_code(text: str) -> bytes:
    """The secret in a code as somebody typed it; raises BadInput for a slip of the pen.

    Case, spaces and hyphens do not matter; O reads as 0, I and L as 1.
    """
    letters = "".join(text.split()).replace("-", "").upper().translate(_READ_AS)
    if len(letters) != _LETTERS or any(letter not in _ALPHABET for letter in letters):
        raise BadInput(
            f"recovery code: expected {_LETTERS} letters and digits, found {len(letters)}",
            hint="type all nine groups of four, as printed on the recovery kit",
        )
    number = 0
    for letter in letters:
        number = number << 5 | _ALPHABET.index(letter)
    secret = (number >> 20).to_bytes(SECRET_SIZE, "big")
    if number & 0xFFFFF != _checksum(secret):
        raise BadInput(
            "recovery code: its checksum does not match, so a letter is mistyped",
            hint="compare each group with the printed recovery kit",
        )
    return secret


def _checksum(secret: bytes) -> int:
    return int.from_bytes(hashlib.sha256(_CHECK + secret).digest()[:3], "big") >> 4
