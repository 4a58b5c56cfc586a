"""Two runs beside each other."""

from __future__ import annotations

from typing import Any

from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Field
from cloister.workflows.views import beside as view


def compare(asked: Asked) -> dict[str, Any]:
    """What sets two runs apart: data, command, code line by line, libraries, settings, outputs
    by their digests."""
    found = view.beside(asked.lab, asked.text("first"), asked.text("second"))
    between = found.between
    return {
        "first": between.first,
        "second": between.second,
        "data": between.data,
        "command": between.command,
        "code": found.code,
        "libraries": between.libraries,
        "settings": between.settings,
        "fence": between.fence,
        "outputs": [
            {"path": one.path, "same": one.verdict.value == "IDENTICAL", "where": one.where}
            for one in between.outputs.pairs
        ],
    }


CALLS = (
    Call(
        "GET",
        "/difference",
        compare,
        Action.READ,
        fields=(
            Field("first", required=True, most=100, example="run_aaaaaaaaaaaaaaaa"),
            Field("second", required=True, most=100, example="run_aaaaaaaaaaaaaaaa"),
        ),
    ),
)
