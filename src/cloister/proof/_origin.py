"""The part of a statement that says what was converted: the run before, and the comparison."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.canonical import Json
from cloister.core.errors import NotVerified
from cloister.core.values import FenceLevel, FenceReport, Origin, Parity
from cloister.proof.documents import Fields
from cloister.runs.history import fence_body

ORIGIN_URI = "urn:cloister:run"
_COMMITMENT = "cloisterCommitmentV1"


def dependency_of(origin: Origin) -> Json:
    """The run that trained the original, as something this one depends on."""
    return {
        "uri": ORIGIN_URI,
        "name": origin.run,
        "digest": {_COMMITMENT: origin.output},
        "annotations": {
            "code": origin.code,
            "command": origin.command_commitment,
            "environment": origin.environment,
            "fence": fence_body(origin.fence),
            "finishedOn": origin.finished,
            "settings": dict(origin.settings),
            "startedOn": origin.started,
        },
    }


def parity_of(origin: Origin) -> Json:
    """The comparison, as a byproduct."""
    return {
        "name": "parity",
        "annotations": {"converter": origin.converter, **parity_body(origin.parity)},
    }


def parity_body(parity: Parity) -> dict[str, Json]:
    """A comparison as statement and ledger hold it."""
    return {
        "agreed": parity.agreed,
        "compared": parity.compared,
        "max_abs": parity.max_abs,
        "max_rel": parity.max_rel,
        "rows": parity.rows,
        "source": "held out" if parity.held_out else "made up",
        "tolerance": parity.tolerance,
    }


def read_origin(dependencies: Sequence[Fields], byproducts: Sequence[Fields]) -> Origin | None:
    """Both parts, or neither; raises NotVerified for one without the other."""
    trained = [part for part in dependencies if part.text("uri") == ORIGIN_URI]
    measured = [part for part in byproducts if part.text("name") == "parity"]
    if not trained and not measured:
        return None
    if len(trained) != 1 or len(measured) != 1:
        raise NotVerified("the statement: expected one origin and one comparison")
    known, found = trained[0].part("annotations"), measured[0].part("annotations")
    if found.text("source") not in {"held out", "made up"}:
        raise NotVerified("the statement compares on rows from nowhere")
    return Origin(
        run=trained[0].text("name"),
        output=trained[0].part("digest").text(_COMMITMENT),
        command_commitment=known.text("command"),
        code=known.text("code"),
        environment=known.text("environment"),
        settings=known.text_map("settings"),
        started=known.text("startedOn"),
        finished=known.text("finishedOn"),
        fence=read_report(known.part("fence")),
        converter=found.text("converter"),
        parity=Parity(
            rows=found.count("rows"),
            held_out=found.text("source") == "held out",
            compared=found.count("compared"),
            agreed=found.count("agreed"),
            max_abs=found.text("max_abs"),
            max_rel=found.text("max_rel"),
            tolerance=found.text("tolerance"),
        ),
    )


def read_report(part: Fields) -> FenceReport:
    """A fence report; raises NotVerified."""
    try:
        level = FenceLevel(part.text("level"))
    except ValueError as error:
        raise NotVerified("the statement names an unknown fence level") from error
    return FenceReport(
        level=level,
        exit_status=part.count("exit_status"),
        network_attempts=part.count("network_attempts"),
        refused_syscalls=part.count_map("refused_syscalls"),
        setup_ms=part.count("setup_ms"),
        wall_ms=part.count("wall_ms"),
        peak_memory_bytes=part.count("peak_memory_bytes"),
        notes=part.texts("notes"),
    )
