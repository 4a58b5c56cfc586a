"""Names that pages show in place of random ones, the same at every rendering."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

_ID = re.compile(r"\b(?:lab|sub|col|run|rec|lbl|bat|per|op|dep)[_-]([a-z2-7]{16})\b")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_SHORT = re.compile(r"(?<![.\d])\b(?=\d*[a-f])[0-9a-f]{12,32}\b")
_KEY_HASH = re.compile(r"(?<=\+)[0-9a-f]{8}\b")
_ALWAYS = (
    (
        re.compile(r"\b(?:[0-9A-Z]{4}-){8}[0-9A-Z]{4}\b"),
        "8096-8CMJ-RAES-B768-PVEK-NZ0M-HDQB-SSCA-4JHG",
    ),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=[.Z])"), "2026-05-04T08:15:00"),
    (re.compile(r"(?<=:00\.)\d{6}(?=Z)"), "000000"),
    (re.compile(r"(?<=as user )\d+"), "1000"),
    (
        re.compile(r"(?m)(?<=^  setting      )(cpu|cpu_count|isa|kernel|machine) = .*$"),
        r"\1 = ...",
    ),
    (
        re.compile(r"(?<=\+)A[A-Za-z0-9+/]{43}(?=\n|$)"),
        "AVSYIncsGdJN4WHZx1subvEElOL+d3cNgnGIk3WZSWMU",
    ),
    (re.compile(r"(?m) +$"), ""),
)
"""A recovery code and a key of no lab, one time, one user, no machine."""
_NUMBER = re.compile(r"\d[\d.,]*")
_HOME, _RUNTIME = "/home/ada", "/run/user/1000"


class Names:
    """What was random, in the order in which it appeared, and what is shown for it."""

    def __init__(self, home: Path, runtime: Path) -> None:
        self._paths = {str(runtime): _RUNTIME, str(home): _HOME}
        self._ids: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._beginnings: dict[str, str] = {}

    def learn(self, text: str) -> str:
        """Names what is new in ``text``, which is given back."""
        for found in _ID.finditer(text):
            number = f"id {len(self._ids)}".encode()
            body = base64.b32encode(hashlib.sha256(number).digest()[:10]).decode().lower()
            self._ids.setdefault(found[1], body)
        for found in _DIGEST.finditer(text):
            self._digests.setdefault(found[0], _digest("digest", len(self._digests)))
        return text

    def shown(self, text: str) -> str:
        """``text``, all of it learnt, for the page."""
        for real, shown in (self._paths | self._ids | self._digests).items():
            text = text.replace(real, shown)
        text = _SHORT.sub(lambda m: self._beginning(m[0]), text)
        text = _KEY_HASH.sub(lambda m: self._beginning(m[0]), text)
        for pattern, fixed in _ALWAYS:
            text = pattern.sub(fixed, text)
        return text

    def real(self, command: str) -> str:
        """A command of the page with the names that the session knows."""
        for real, shown in (self._paths | self._ids | self._digests).items():
            command = command.replace(shown, real)
        return command

    def _beginning(self, short: str) -> str:
        """The beginning of a digest; one that never appeared whole is one of its own."""
        for real, shown in self._digests.items():
            if real.startswith(short):
                return shown[: len(short)]
            if shown.startswith(short):
                return short
        alone = _digest("beginning", len(self._beginnings))
        return self._beginnings.setdefault(short, alone)[: len(short)]


def _digest(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def shape(text: str) -> str:
    """A page without its numbers and without alignment: what must not go stale."""
    text = re.sub(r"(?<![.\d])\b[0-9a-f]{12,64}\b", "@", text)
    return re.sub(r"[ \t]+", " ", _NUMBER.sub("#", text))
