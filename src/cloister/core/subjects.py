"""Whose data it is: an issuer and the id that issuer gave."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Self

from cloister.core.errors import BadInput

LONGEST_ID = 256  # characters; DICOM's PatientID has at most 64


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """A person as their hospital knows them; never printed, so ``repr`` shows neither part."""

    issuer: str = field(repr=False)
    local_id: str = field(repr=False)

    @classmethod
    def of(cls, issuer: str, text: str) -> Self:
        """The identity in ``text`` as typed, read or exported.

        Outer white space and padding do not distinguish people (DICOM PS3.5 6.2, LO), nor
        do two spellings of one Unicode text, so both are normalised (NFC): whoever asks for
        an id finds what was added under it. Raises BadInput when nothing usable remains.
        """
        local_id = unicodedata.normalize("NFC", text).strip(" \t\r\n\0\f\v")
        if not local_id or len(local_id) > LONGEST_ID or not _is_text(local_id):
            raise BadInput(
                f"a subject id is UTF-8 text of 1 to {LONGEST_ID} characters",
                hint="look at the column, pattern or DICOM PatientID that gives it",
            )
        return cls(issuer, local_id)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate: bytes of a file name that are not UTF-8
        return False
    return True
