"""How whoever sent an upload tells whose each file is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rules:
    """How whoever sent an upload tells whose each file is, and what the labels are."""

    issuer: str
    column: str | None = None
    pattern: str | None = field(default=None, repr=False)
    labels: str | None = field(default=None, repr=False)
    """Path of the file of labels, one of the upload's."""
    label_columns: tuple[str, ...] = ()
    labels_are_data: bool = False
    """Whether that file is part of the dataset too."""
