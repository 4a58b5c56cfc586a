"""What a lab may set about its pipelines: the table [pipelines]."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What a run of a pipeline does that says nothing of it."""

    on: tuple[str, ...] = ()
    """Where calls are made; none: here."""


def parse_pipelines(value: object) -> PipelineSettings:
    """The table [pipelines] of cloister.toml; raises BadInput."""
    if not isinstance(value, dict) or not value.keys() <= {"on"}:
        raise BadInput("cloister.toml: [pipelines] has on")
    on = value.get("on", [])
    if not isinstance(on, list) or not all(isinstance(one, str) for one in on):
        raise BadInput('cloister.toml: [pipelines] on is a list: ["ssh:gpu1", "local"]')
    return PipelineSettings(tuple(on))
