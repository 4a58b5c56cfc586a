"""Assessments: what people, programs and models say of a traced call; sealed, as that is.

Either feedback on what the call gave, or an expectation of what it should have given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cloister.core.errors import BadInput, NotFound
from cloister.tracking import limits, times

MOST = 1000
"""Of one trace."""
FEEDBACK, EXPECTATION = "feedback", "expectation"
SOURCES = ("HUMAN", "LLM_JUDGE", "AI_JUDGE", "CODE", "SOURCE_TYPE_UNSPECIFIED")
_ID = re.compile(r"a-[0-9a-f]{32}")
_SAID = ("error", "metadata", "name", "rationale", "source_id", "span", "value")
"""What is free text, or holds some."""
_ERROR = ("error_code", "error_message", "stack_trace")
_MOST_BYTES = 64 << 10  # lists open all of them
_DEEPEST = 64
_JSON = "JSON_FORMAT"


@dataclass(frozen=True, slots=True)
class Assessment:
    """One statement on a traced call, or on one of its spans."""

    id: str
    name: str = field(repr=False)
    kind: str
    value: Any = field(repr=False)
    """Whatever JSON says."""
    source: str
    """Who says so: a person, a program, a model."""
    source_id: str = field(repr=False)
    created_ms: int
    updated_ms: int
    error: Mapping[str, str] | None = field(default=None, repr=False)
    """Why there is no feedback."""
    rationale: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    span: str | None = None
    overrides: str | None = None
    """The id of the one that it takes the place of."""

    def content(self) -> bytes:
        """What is sealed of it."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()


def of_content(content: bytes) -> Assessment:
    """The one that was sealed."""
    return Assessment(**json.loads(content))


def holder_of(trace: str) -> str:
    """What those of a trace are kept under; no address that a client can say leads there."""
    return f"assessments:{trace}"


def missing(name: str, trace: str) -> NotFound:
    """The error that says that this trace has none of that id."""
    return NotFound(f"Assessment with ID '{name[:80]}' not found for trace '{trace[:80]}'")


def check_id(name: str) -> None:
    """Raises BadInput for what cannot be the id of one."""
    if _ID.fullmatch(name) is None:
        raise BadInput("Invalid value for parameter 'assessment_id' supplied")


def check(one: Assessment) -> None:
    """Raises BadInput for what is too long, or of a kind or source that there is not."""
    list(_texts([one.value, one.metadata]))  # not too deep for what comes after
    check_id(one.id)
    if one.kind not in {FEEDBACK, EXPECTATION}:
        raise BadInput("an assessment is either feedback or an expectation")
    if one.overrides is not None:
        check_id(one.overrides)
    if not one.name:
        raise BadInput("Missing value for required parameter 'assessment_name'")
    if one.source not in SOURCES:
        raise BadInput(f"Invalid source type: expected one of {', '.join(SOURCES)}")
    texts = {"assessment_name": one.name, "source_id": one.source_id, "span_id": one.span or ""}
    for what, text in texts.items():
        limits.check_text(text, what, limits.KEY_CHARS)
    for time_ms in (one.created_ms, one.updated_ms):
        limits.check_time(time_ms, "create_time")
    if len(one.content()) > _MOST_BYTES:
        raise BadInput(f"an assessment holds at most {_MOST_BYTES >> 10} KiB")


def with_texts(one: Assessment, change: Callable[[Sequence[str]], Sequence[str]]) -> Assessment:
    """The same, every free text in it, names of fields among them, changed."""
    said = [getattr(one, name) for name in _SAID]
    following = iter(change(list(_texts(said))))
    return replace(one, **dict(zip(_SAID, _changed(said, following), strict=True)))


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    if depth > _DEEPEST:
        raise BadInput("the value of an assessment is nested too deep")
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, depth + 1)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _texts(item, depth + 1)


def _changed(value: Any, following: Iterator[str]) -> Any:
    if isinstance(value, str):
        return next(following)
    if isinstance(value, list):
        return [_changed(item, following) for item in value]
    if isinstance(value, Mapping):
        return {next(following): _changed(item, following) for item in value.values()}
    return value


def read(said: Mapping[str, Any], name: str, now_ms: int) -> Assessment:
    """From the JSON that MLflow's clients send and its folders hold; raises BadInput.

    ``name`` is its id where it brings none, ``now_ms`` its time.
    """
    kinds = [kind for kind in (FEEDBACK, EXPECTATION) if isinstance(said.get(kind), Mapping)]
    if len(kinds) != 1:
        raise BadInput("an assessment is either feedback or an expectation")
    source = _mapping(said, "source")
    created_ms = _time_ms(said, "create_time", now_ms)
    made = Assessment(
        id=_text(said, "assessment_id") or name,
        name=_text(said, "assessment_name"),
        kind=kinds[0],
        value=value_of(said[kinds[0]]),
        source=_text(source, "source_type").upper() or SOURCES[-1],
        source_id=_text(source, "source_id"),
        created_ms=created_ms,
        updated_ms=_time_ms(said, "last_update_time", created_ms),
        error=error_of(said[kinds[0]]),
        rationale=_text(said, "rationale") or None,
        metadata=metadata_of(said),
        span=_text(said, "span_id") or None,
        overrides=_text(said, "overrides") or None,
    )
    check(made)
    return made


def value_of(said: Mapping[str, Any]) -> Any:
    """What feedback or an expectation says; raises BadInput."""
    if "serialized_value" not in said:
        return said.get("value")
    packed = _mapping(said, "serialized_value")
    if _text(packed, "serialization_format") != _JSON:
        raise BadInput(f"Unknown serialization format: only {_JSON} is supported")
    try:
        return json.loads(_text(packed, "value"))
    except (ValueError, RecursionError):
        raise BadInput("the serialized value of an expectation is not JSON") from None


def error_of(said: Mapping[str, Any]) -> dict[str, str] | None:
    """Why feedback has no value; raises BadInput."""
    error = _mapping(said, "error")
    return {name: _text(error, name) for name in _ERROR if error.get(name)} or None


def metadata_of(said: Mapping[str, Any]) -> dict[str, str]:
    """What else it says; raises BadInput."""
    metadata = _mapping(said, "metadata")
    return {name: _text(metadata, name) for name in metadata}


def _mapping(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name) or {}
    if not isinstance(found, Mapping):
        raise BadInput(f"Invalid value for parameter '{name}' supplied: expected an object")
    return found


def _text(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name) or ""
    if not isinstance(found, str):
        raise BadInput(f"Invalid value for parameter '{name[:40]}' supplied: expected a string")
    return found


def _time_ms(said: Mapping[str, Any], name: str, otherwise: int) -> int:
    text = _text(said, name)
    return times.read(text, name) if text else otherwise


def shown(one: Assessment, trace: str, *, valid: bool) -> dict[str, Any]:
    """In the JSON that MLflow's clients read and its folders hold."""
    said: dict[str, Any] = {"value": one.value}
    if one.kind == EXPECTATION and isinstance(one.value, list | Mapping | None):
        text = json.dumps(one.value, ensure_ascii=False)
        said = {"serialized_value": {"serialization_format": _JSON, "value": text}}
    if one.error:
        said["error"] = dict(one.error)
    answer = {
        "assessment_id": one.id,
        "assessment_name": one.name,
        "trace_id": trace,
        "span_id": one.span,
        "source": {"source_type": one.source, "source_id": one.source_id},
        "create_time": times.written(one.created_ms),
        "last_update_time": times.written(one.updated_ms),
        one.kind: said,
        "rationale": one.rationale,
        "metadata": dict(one.metadata) or None,
        "overrides": one.overrides,
        "valid": valid,
    }
    return {name: value for name, value in answer.items() if value is not None}


def all_shown(some: Sequence[Assessment], trace: str) -> list[dict[str, Any]]:
    """All of one trace, oldest first: one that another overrides is not valid."""
    overridden = {one.overrides for one in some}
    ordered = sorted(some, key=lambda one: (one.created_ms, one.id))
    return [shown(one, trace, valid=one.id not in overridden) for one in ordered]
