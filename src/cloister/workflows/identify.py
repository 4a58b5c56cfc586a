"""Identify: ids of the lab's own patients in what a run says, replaced by their pseudonyms.

A pseudonym is what the ledger calls the patient. The key service alone leads from it back to
the id, until the patient is erased, so nothing of the original has to be kept a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from cloister.core.clock import Clock
from cloister.core.ids import SubjectId
from cloister.core.tokens import fractions, spans
from cloister.keys.client import KeyClient

_FRESH_S = 20.0
"""How long an answer of the key service holds: patients come while a gateway runs."""
_MOST_WORDS = 100_000
_LONGEST_KEPT = 300
"""Texts up to this long are known again: names of metrics come thousands of times."""
_TOGETHER = 2000
_NOBODY: frozenset[str] = frozenset()
_DIGIT = re.compile(r"\d")
_PLAIN = re.compile(rb"[0-9]{1,5}[:%]?|-?[0-9]+\.[0-9]+(?:e[+-]?[0-9]+)?[:%]?")
"""Most of what a training loop prints with digits in it: nobody's id."""
_NEAR_DIGITS = re.compile(rb"[^\s\"'<>\[\](){},;]*[0-9][^\s\"'<>\[\](){},;]*")


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text as it may be stored and shown."""

    text: str
    subjects: tuple[SubjectId, ...] = ()
    """Whose ids were in it, each once."""


@dataclass(slots=True)
class Identifier:
    """Finds ids in texts; any number of threads may ask.

    An id is found as ``checks`` finds it: a word of four characters or more with a digit in
    it, or a number of six digits or more, alone or joined to its neighbours by one character.
    Digits of a decimal fraction are nobody's id. Where two hospitals gave one id to two people,
    the one among ``own`` is meant: the subjects of a run's data.
    """

    keys: KeyClient
    clock: Clock
    _known: dict[str, tuple[SubjectId, ...]] = field(default_factory=dict, repr=False)
    _texts: dict[str, Redacted] = field(default_factory=dict, repr=False)
    _since_s: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def redact_all(self, texts: Sequence[str], own: frozenset[str] = _NOBODY) -> list[Redacted]:
        """Each text with every id of a patient replaced by the pseudonym.

        The key service is asked at most once, for words not seen yet.
        """
        with self._lock:
            self._forget_old()
            new = {text for text in texts if text not in self._texts and _DIGIT.search(text)}
            found = {text: _spans(text) for text in new}
            self._ask({token for each in found.values() for _, _, token in each})
            made = {text: self._redacted(text, each, own) for text, each in found.items()}
            kept = {
                text: one
                for text, one in made.items()
                if len(text) <= _LONGEST_KEPT and self._is_plain(found[text])
            }
            done = [made.get(text) or self._texts.get(text) or Redacted(text) for text in texts]
            self._texts.update(kept)
            return done

    def in_output(self, output: bytes, own: frozenset[str] = _NOBODY) -> tuple[SubjectId, ...]:
        """Whose ids stand in what a command printed, each once."""
        found = {one for one in set(_NEAR_DIGITS.findall(output)) if not _PLAIN.fullmatch(one)}
        pieces = {one.decode("utf-8", "replace") for one in found}
        words = {word for piece in pieces for _, _, word in _spans(piece)}
        with self._lock:
            self._forget_old()
            self._ask(words)
            named = {self._meant(word, own) for word in words}
        return tuple(sorted(subject for subject in named if subject is not None))

    def _forget_old(self) -> None:
        now_s = self.clock.monotonic_s()
        full = len(self._known) > _MOST_WORDS or len(self._texts) > _MOST_WORDS
        if full or now_s - self._since_s > _FRESH_S:
            self._known.clear()
            self._texts.clear()
            self._since_s = now_s

    def _ask(self, tokens: Iterable[str]) -> None:
        unknown = sorted({token for token in tokens if token not in self._known})
        for at in range(0, len(unknown), _TOGETHER):
            batch = unknown[at : at + _TOGETHER]
            for word, names in zip(batch, self.keys.recognise(batch), strict=True):
                self._known[word] = names

    def _meant(self, word: str, own: frozenset[str]) -> SubjectId | None:
        names = self._known.get(word, ())
        return min(names, key=lambda name: (name not in own, name), default=None)

    def _is_plain(self, found: Iterable[tuple[int, int, str]]) -> bool:
        """Whether what stands there means the same for every run."""
        return all(len(self._known.get(token, ())) < 2 for _, _, token in found)

    def _redacted(
        self, text: str, found: Iterable[tuple[int, int, str]], own: frozenset[str]
    ) -> Redacted:
        pieces: list[str] = []
        subjects: dict[SubjectId, None] = {}
        at = 0
        for start, end, token in sorted(found, key=lambda one: (one[0], -one[1])):
            subject = self._meant(token, own)
            if subject is not None and start >= at:
                pieces += [text[at:start], subject]
                subjects[subject] = None
                at = end
        return Redacted("".join([*pieces, text[at:]]), tuple(subjects))


def _spans(text: str) -> list[tuple[int, int, str]]:
    apart = fractions(text)
    return [
        (start, end, token)
        for start, end, token in spans(text)
        if not any(a <= start and end <= b for a, b in apart)
    ]
