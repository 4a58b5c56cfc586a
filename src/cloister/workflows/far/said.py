"""What a machine may say of a job that it runs: each message with what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloister.core.errors import Tampered
from cloister.fence import ChangeKind

_TEXT = (str, type(None))
_KNOWN: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "change": {
        "content": bytes,
        "kind": str,
        "link": (bytes, type(None)),
        "mode": int,
        "more": bool,
        "path": bytes,
        "size": int,
    },
    "changes": {},
    "checkpoint": {"path": bytes, "size": int},
    "checkpoints": {},
    "content": {"content": bytes, "more": bool},
    "fill": {"mount": int},
    "knock": {"stream": int},
    "left": {"out": list},
    "looked": {},
    "metered": {"found": dict},
    "prepared": {"description": bytes, "settings": dict},
    "refused": {"error": str, "hint": _TEXT, "kind": str},
    "report": {"report": dict},
    "rested": {"whole": bool},
    "said": {"content": bytes, "stream": int},
    "waits": {},
}


def check(told: Mapping[str, Any]) -> None:
    """Raises Tampered for anything else."""
    known = _KNOWN.get(told["do"])
    if known is None or not all(
        isinstance(told.get(name), kind) for name, kind in known.items()
    ):
        raise Tampered("a machine said what no job says")
    if told["do"] == "change" and told["kind"] not in set(ChangeKind):
        raise Tampered("a machine says of a file what nothing can do to one")
