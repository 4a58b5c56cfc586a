"""Mapped steps: the list that one goes through, and where the result of an item belongs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloister.core.errors import BadInput
from cloister.pipelines.plan import Plan, Step
from cloister.pipelines.values import NODE, decode, encode, items, placed


def over_step(plan: Plan, number: int) -> int:
    """The step whose list a mapped step goes through; -1 for a list that the file gives."""
    found = _over(plan.steps[number])
    if isinstance(found, tuple) and len(found) == 2 and found[0] == NODE:
        return int(found[1])
    return -1


def listed(plan: Plan, number: int, values: Mapping[int, bytes]) -> list[bytes]:
    """The items that a mapped step goes through; raises BadInput where there is none."""
    step, source = plan.steps[number], over_step(plan, number)
    found = items(values[source] if source >= 0 else encode(_over(step)))
    if found is None:
        raise BadInput(f"{step.name} maps over a value that is no list")
    return found


def in_part(
    part: int, value: bytes, files: tuple[tuple[str, bytes], ...]
) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """The result of one item as it stands in the list of all: its files in their own folder."""
    if not files:
        return value, ()
    return placed(value, str(part)), tuple((f"{part}/{name}", one) for name, one in files)


def _over(step: Step) -> Any:
    """The argument that is mapped over; a step in its place as (NODE, its number)."""
    return decode(step.arguments, lambda code, data: (code, data))[step.over]
