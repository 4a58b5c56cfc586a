"""What a check can find: stable codes, how grave each is, and what a person does about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Severity(IntEnum):
    """How grave; comparable, so that a threshold can be asked for."""

    NOTE = 1
    """To know."""
    WARNING = 2
    """A result on these data may be wrong."""
    ERROR = 3
    """A result on these data is wrong until this is dealt with."""

    @property
    def word(self) -> str:
        """As it is written."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Severity:
        """The severity with this name; raises KeyError."""
        return cls[word.upper()]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: docs/reference/findings.md lists them all."""

    code: str
    severity: Severity
    title: str
    """A sentence that holds no patient data."""
    advice: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found; ``records`` and ``detail`` may only be kept sealed."""

    kind: Kind
    count: int
    records: tuple[str, ...] = ()
    where: str = field(default="", repr=False)
    """The column, label or split it is about, where there is one."""
    detail: str = field(default="", repr=False)
    """More of it in words; never an id that a hospital gave."""

    @property
    def code(self) -> str:
        """Of its kind."""
        return self.kind.code

    @property
    def severity(self) -> Severity:
        """Of its kind."""
        return self.kind.severity


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_ALL = (
    # Files and pixels
    Kind("D101", _W, "damaged entries were set aside", "get whole copies and add them again"),
    Kind(
        "D102",
        _E,
        "pixel data that cannot be decoded",
        "get the images again from their source; training on them fails or reads noise",
    ),
    Kind("D103", _W, "images of one single value", "look at them; leave empty ones out"),
    Kind(
        "D104",
        _W,
        "images unlike the rest of their series",
        "look whether they belong there: another size or depth within one series",
    ),
    Kind(
        "D105",
        _W,
        "pixel values beyond what the header allows",
        "the header or the pixels are wrong: ask whoever exported them",
    ),
    Kind(
        "D106",
        _N,
        "images that were not looked into",
        "too large, of an unknown encoding, or a library is missing:"
        " pip install 'cloister[checks]'",
    ),
    # Duplicates
    Kind("D201", _W, "one patient's image or file more than once", "keep one of each"),
    Kind(
        "D202",
        _E,
        "the same image or file under two patients",
        "find out whose it is; link the names if they are one person",
    ),
    Kind("D203", _N, "nearly the same image twice in one patient", "keep one of each"),
    Kind(
        "D204",
        _W,
        "nearly the same image under two patients",
        "look at the pairs; link the names if they are one person",
    ),
    Kind("D205", _W, "the same row under two patients", "find out whose it is"),
    Kind("D206", _N, "one patient's row more than once", "keep one of each"),
    # Parts
    Kind(
        "D301",
        _E,
        "patients in more than one part",
        "deal the data out by patient: cloister dataset split",
    ),
    Kind(
        "D302",
        _W,
        "linked names that a split had dealt to different parts",
        "train again: runs from before the link learned from patients they were tested on",
    ),
    Kind(
        "D303",
        _E,
        "the same or nearly the same data in more than one part",
        "leave all but one of each out, or link the names if they are one person",
    ),
    # Labels
    Kind("D401", _E, "records with labels that contradict each other", "decide which holds"),
    Kind("D402", _E, "equal data with different labels", "decide which holds"),
    Kind("D403", _W, "records without a label", "label them, or leave them out knowingly"),
    Kind("D404", _W, "lines of labels that fit no record", "correct their path or subject id"),
    Kind("D405", _W, "label values that look like slips", "correct them and add them again"),
    # Values
    Kind("D501", _W, "values of another type than their column", "correct or empty them"),
    Kind("D502", _W, "implausible values", "look each up in its source"),
    Kind("D503", _E, "two units in one column", "bring all values to one unit"),
    # Missing
    Kind(
        "D601",
        _W,
        "values missing more in one group than in others",
        "find out why: a model learns the gap in place of the value",
    ),
    Kind("D602", _N, "columns that are mostly empty", "leave them out, or fill them"),
    # Identity
    Kind(
        "D701",
        _E,
        "another patient's id inside a record",
        "find out whose the record is: text or image of two patients may be mixed",
    ),
    Kind("D702", _W, "the patient's id in text or header", "remove it before data are shown"),
    Kind("D703", _N, "the patient's id in a file name", "a job sees names: keep or rename"),
    Kind("D704", _W, "text burned into images", "blank it: a model reads it, and so do people"),
    Kind(
        "D705",
        _W,
        "headers that say text is burned into the image",
        "look at the images; blank the text",
    ),
    Kind(
        "D706",
        _N,
        "burned-in text was not looked for everywhere",
        "install tesseract-ocr, then: cloister check --ocr all",
    ),
    # Shortcuts
    Kind(
        "D801",
        _W,
        "labels predictable from site or device alone",
        "balance the labels within each site, or test on a site left out",
    ),
    Kind(
        "D802",
        _W,
        "labels predictable from file names alone",
        "keep names away from the model; look how the files were collected",
    ),
    # Balance
    Kind("D901", _W, "rare classes", "collect more, weigh them, or measure per class"),
    Kind("D902", _N, "rare subgroups", "measure the model on them by themselves"),
    Kind(
        "D903",
        _N,
        "classes spread unevenly over subgroups",
        "measure the model in each subgroup",
    ),
)
KINDS: Mapping[str, Kind] = {kind.code: kind for kind in _ALL}


def finding(
    code: str,
    records: Iterable[str],
    *,
    count: int | None = None,
    where: str = "",
    detail: str = "",
) -> Finding:
    """A finding of this code about these records, each named once."""
    named = tuple(dict.fromkeys(records))
    return Finding(KINDS[code], len(named) if count is None else count, named, where, detail)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The gravest severity among them."""
    return max((one.severity for one in findings), default=None)
