"""A recovery secret in shares, as SLIP-39 splits it (docs/formats/recovery-shares.md).

The one place that knows the library; only the key service's process loads it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from shamir_mnemonic import (  # type: ignore[import-untyped]
    MnemonicError,
    Share,
    combine_mnemonics,
    generate_mnemonics,
)
from shamir_mnemonic.rs1024 import verify_checksum  # type: ignore[import-untyped]
from shamir_mnemonic.wordlist import (  # type: ignore[import-untyped]
    WORD_INDEX_MAP,
    WORDLIST,
)

from cloister.core.errors import BadInput
from cloister.keys.recovery import SECRET_SIZE
from cloister.keys.values import ShareSet

WORDS = 23
"""Of a share of 20 bytes: 4 say which share of which set it is, 3 are the checksum."""

MOST = 16
_COMPARE = "compare the words with the sheet, by their numbers"
_WORD = re.compile(r"[a-z]+")


def split(secret: bytes, threshold: int, count: int) -> tuple[ShareSet, list[str]]:
    """Any ``threshold`` of the shares give ``secret``, fewer tell nothing about it.

    Raises BadInput for a scheme that SLIP-39 does not know.
    """
    if not 2 <= threshold <= count <= MOST:
        raise BadInput(
            f"shares: {threshold} of {count} cannot be",
            hint=f"at least 2 must be needed, and at most {MOST} made: 3of5, for instance",
        )
    # No second passphrase: the shares are the secret. The secret is random, so the slow
    # function inside guards nothing; 0 is its least.
    [shares] = generate_mnemonics(1, [(threshold, count)], secret, iteration_exponent=0)
    number = Share.from_mnemonic(shares[0]).identifier
    return ShareSet(threshold, count, number), shares


def check(texts: Sequence[str], wanted: ShareSet | None) -> list[int]:
    """The number of each share, from 1; raises BadInput for the first that is no good."""
    numbers: list[int] = []
    for place, text in enumerate(texts, 1):
        share = _read(text, place)
        if wanted is None:
            raise BadInput(
                "these keys have a recovery code, not shares",
                hint="type the code of the recovery kit",
            )
        _check_set(share, place, wanted)
        if share.index + 1 in numbers:
            raise BadInput(
                f"share {place}: it is sheet {share.index + 1} again",
                hint="each share counts once: take another sheet",
            )
        numbers.append(share.index + 1)
    return numbers


def combine(texts: Sequence[str], wanted: ShareSet | None) -> bytes:
    """The secret; raises BadInput for a share that is no good, or when there are too few."""
    numbers = check(texts, wanted)
    missing = 0 if wanted is None else wanted.threshold - len(numbers)
    if wanted is None or missing > 0:
        needed = wanted.threshold if wanted else "some"
        raise BadInput(
            f"{len(numbers)} of the {needed} shares that are needed",
            hint=f"{missing} more: fewer than that tell nothing at all",
        )
    try:
        return bytes(combine_mnemonics([_spelled(text) for text in texts[: wanted.threshold]]))
    except MnemonicError as error:
        raise BadInput(
            "the shares do not belong together, though each is whole",
            hint="one of them is of another lab or of a set that was replaced",
        ) from error


def _read(text: str, place: int) -> Share:
    words = _WORD.findall(text.lower())
    for number, word in enumerate(words, 1):
        if word not in WORD_INDEX_MAP:
            near = difflib.get_close_matches(word, WORDLIST, 1, 0.5)
            meant = f"did you mean {near[0]}? " if near else ""
            raise BadInput(
                f"share {place}: word {number} is not in the list", hint=meant + _COMPARE
            )
    if len(words) != WORDS:
        raise BadInput(
            f"share {place}: expected {WORDS} words, found {len(words)}", hint=_COMPARE
        )
    try:
        share = Share.from_mnemonic(" ".join(words))
    except MnemonicError as error:
        raise BadInput(
            f"share {place}: its checksum does not match, so a word is mistyped",
            hint=_suspect(words) + _COMPARE,
        ) from error
    if share.group_count != 1 or len(share.value) != SECRET_SIZE:
        raise BadInput(f"share {place}: it is no share of a Cloister recovery kit")
    return share


def _check_set(share: Share, place: int, wanted: ShareSet) -> None:
    if (share.identifier, share.member_threshold) != (wanted.number, wanted.threshold):
        found = ShareSet(share.member_threshold, 0, share.identifier)
        raise BadInput(
            f"share {place} is of set {found.name}; the shares of these keys are of set"
            f" {wanted.name}",
            hint="it is of another lab, or of a set that was replaced: see the sheet's head",
        )


def _suspect(words: Sequence[str]) -> str:
    """Which word does not fit the others, if exactly one is wrong.

    Any three wrong words are noticed, and one is found (SLIP-39: a Reed-Solomon code).
    """
    indices = [WORD_INDEX_MAP[word] for word in words]
    for place, kept in enumerate(indices):
        for other in range(len(WORDLIST)):
            indices[place] = other
            custom = b"shamir_extendable" if indices[1] >> 4 & 1 else b"shamir"
            if verify_checksum(indices, custom):
                return f"word {place + 1} does not fit the others: "
        indices[place] = kept
    return ""


def _spelled(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
