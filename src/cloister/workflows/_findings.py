"""Findings on runs: who was named where, by pseudonym."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cloister.core.events import Event
from cloister.core.ids import SubjectId
from cloister.runs.identified import Place
from cloister.workflows.lab import Act


def findings(act: Act, run: str, found: Mapping[Place, Iterable[SubjectId]]) -> Iterator[Event]:
    """The events that put on record where ``run`` named patients; none where it did not."""
    for place, subjects in sorted(found.items()):
        for subject in sorted(set(subjects)):
            body = {"place": str(place), "run": run, "subject": subject}
            yield act.event("run.identified", body)
