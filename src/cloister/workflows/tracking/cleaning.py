"""Cleaning: what is tracked is stored without ids of patients; that some stood is a finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cloister.core.events import Event
from cloister.core.ids import SubjectId
from cloister.runs.identified import Place
from cloister.tracking.inputs import Dataset, DatasetInput
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.workflows._findings import findings
from cloister.workflows.lab import Act
from cloister.workflows.tracking.visit import Visit


@dataclass(slots=True)
class Cleaner:
    """Cleans what one call logs, and remembers whose ids it met."""

    visit: Visit
    found: dict[Place, set[SubjectId]] = field(default_factory=dict)

    def texts(self, place: Place, texts: Sequence[str]) -> list[str]:
        """Each text with pseudonyms for ids."""
        if not texts:
            return []
        redacted = self.visit.lab.identifier.redact_all(texts)
        for one in redacted:
            if one.subjects:
                self.found.setdefault(place, set()).update(one.subjects)
        return [one.text for one in redacted]

    def text(self, place: Place, text: str) -> str:
        """One text."""
        return self.texts(place, (text,))[0]

    def points(self, points: Sequence[Point]) -> Sequence[Point]:
        """Points, their metrics' names cleaned."""
        names = list({point.metric for point in points})
        clean = dict(zip(names, self.texts(Place.METRIC, names), strict=True))
        if all(name == clean[name] for name in names):
            return points
        return [point._replace(metric=clean[point.metric]) for point in points]

    def notes(self, place: Place, notes: Sequence[Note]) -> list[Note]:
        """Parameters or tags, names and values."""
        if not notes:
            return []
        flat = self.texts(place, [text for note in notes for text in note])
        return [Note(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]

    def datasets(self, given: Iterable[DatasetInput]) -> list[DatasetInput]:
        """What a client says of the data it read; texts that it may leave out stay so."""
        return [
            DatasetInput(
                Dataset(*(self._said(text) for text in one.dataset)),  # type: ignore[arg-type]
                tuple(self.notes(Place.TAG, one.tags)),
            )
            for one in given
        ]

    def _said(self, text: str | None) -> str | None:
        return None if text is None else self.text(Place.NAME, text)

    def events(self, act: Act, run: str) -> list[Event]:
        """The findings on ``run``, to be recorded with what was logged."""
        return list(findings(act, run, self.found)) if self.found else []
