"""What a job says while it runs, and what is said of it afterwards."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cloister.cli.output import Output, forsake, size
from cloister.core.values import FenceLevel
from cloister.core.words import count

if TYPE_CHECKING:  # who only looks at a job loads nothing of what runs one
    from cloister.workflows.runs.run import Output as Sink
    from cloister.workflows.runs.run import RunReport


def passed_on(output: Output) -> Sink:
    """The job's output as it comes, on our own streams; all of it on stderr beside JSON.

    Whoever stops listening does not stop the job: its log is sealed all the same.
    """

    def write(stream: int, chunk: bytes) -> None:
        target = sys.stderr if stream == 2 or output.as_json else sys.stdout
        if target is None:
            return
        try:
            target.buffer.write(chunk)
            target.flush()
        except BrokenPipeError:
            forsake(target)

    return write


def show_run(output: Output, report: RunReport) -> None:
    """One aligned summary; on stderr, for stdout is the job's."""
    fence = report.fence
    refused = sum(fence.refused_syscalls.values())
    names = ", ".join(sorted(fence.refused_syscalls))
    kept = sum(one.size_bytes for one in report.outputs)
    rows = [
        ("where", report.where),
        ("data", " ".join(_given(report)) or "none"),
        ("hidden", _withheld(report)),
        ("fence", _fence(report)),
        (
            "refused",
            f"{count(fence.network_attempts, 'attempt')} to reach the network"
            + (f", {count(refused, 'system call')} ({names})" if refused else ""),
        ),
        ("outputs", f"{count(len(report.outputs), 'file')}, {size(kept)}, sealed"),
        ("hub", ", ".join(f"{one.name} ({one.license})" for one in report.hub)),
        (
            "sealed",
            f"{count(report.checkpoints, 'checkpoint')}" if report.checkpoints else None,
        ),
        ("names", _names(report)),
        ("tracked", report.tracked),
        ("code", _code(report)),
        ("model", _models(report)),
    ]
    output.note(
        f"{report.run} {report.state}, exit status {fence.exit_status},"
        f" {fence.wall_ms / 1000:.1f} s"
    )
    for name, value in rows:
        if value:
            output.note(f"  {name:<8} {value}")
    for note in fence.notes:
        output.note(f"  note: {note}")
    if report.state == "finished" and any(model.refusal for model in report.models):
        output.note(f"  next: cloister export {report.run}")
    output.value(_value(report))


def _given(report: RunReport) -> list[str]:
    return [
        f"{attached.view.version}{':' + attached.view.part if attached.view.part else ''}"
        f" ({count(written.records, 'record')}"
        + (f", {written.erased} erased)" if written.erased else ")")
        for attached, written in report.inputs
    ]


def _fence(report: RunReport) -> str:
    level = report.fence.level
    text = f"{level.value}, set up in {report.fence.setup_ms} ms"
    return text if level is FenceLevel.FULL else f"WEAK: {text}"


def _code(report: RunReport) -> str:
    code = report.code
    left = f"; {count(code.withheld, 'file')} only as a digest" if code.withheld else ""
    if code.commit is None:
        return f"{code.digest[:12]}, not in a git repository{left}"
    return f"commit {code.commit[:12]}{'' if code.clean else ' and changes, kept'}{left}"


def _withheld(report: RunReport) -> str | None:
    """What the job could not see, where that may be why it did not work."""
    if not report.withheld or report.inputs:
        return None
    return (
        f"{', '.join(report.withheld)}: name the folder in the command, or give it with --data"
    )


def _names(report: RunReport) -> str | None:
    if not report.identified:
        return None
    return f"it printed the ids of {count(len(report.identified), 'patient')}"


def _models(report: RunReport) -> str:
    said = []
    for model in report.models:
        if model.refusal:
            said.append(f"{model.kept.path}: not servable: {model.refusal}")
        else:
            said.append(f"{model.kept.path} {model.kept.sha256[:16]}, signed statement")
    return "; ".join(said)


def _value(report: RunReport) -> dict[str, Any]:
    fence = report.fence
    return {
        "run": report.run,
        "state": report.state,
        "exit_status": fence.exit_status,
        "data": [
            {
                "version": str(attached.view.version),
                "root": attached.view.version.root,
                "records": written.records,
                "erased": written.erased,
            }
            for attached, written in report.inputs
        ],
        "fence": fence.level.value,
        "network_attempts": fence.network_attempts,
        "refused_syscalls": dict(fence.refused_syscalls),
        "setup_ms": fence.setup_ms,
        "wall_ms": fence.wall_ms,
        "outputs": [one.path for one in report.outputs],
        "models": [
            {"path": one.kept.path, "sha256": one.kept.sha256, "refusal": one.refusal}
            for one in report.models
        ],
        "hub": [{"name": one.name, "sha256": one.sha256} for one in report.hub],
        "attested": report.attested,
        "checkpoints": report.checkpoints,
        "identified": list(report.identified),
        "tracked": report.tracked,
        "where": report.where,
        "notes": list(fence.notes),
    }
