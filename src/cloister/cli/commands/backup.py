"""``cloister backup``: the lab in a second place."""

from __future__ import annotations

import signal
import threading

import click

from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import configured, open_lab
from cloister.core.errors import IntegrityError
from cloister.core.words import count
from cloister.recovery.beat import Beat
from cloister.recovery.register import Behind
from cloister.recovery.shipping import Shipped
from cloister.workflows.recovery import backup
from cloister.workflows.recovery.watch_backup import watch_backup


@click.group("backup")
def command() -> None:
    """Keep the lab in a second place: another disk, another box."""


@command.command("init")
@click.argument("target")
@with_context
def init(context: Context, target: str) -> None:
    """Make TARGET, an empty folder on another disk, a place for backups of this lab.

    What lies there is sealed: it opens with the lab's keys only, which it never holds.
    Copy those apart, see `docs/how-to/back-up.md`.

    \b
    Example:
      cloister backup init /mnt/second/lab
      cloister backup run
    """
    with open_lab(context) as lab:
        made = backup.init_backup(lab, target)
    context.output.line(f"{made.uri} takes backups of this lab ({made.target})")
    context.output.line("  next: cloister backup run")
    context.output.value({"target": made.target, "uri": made.uri})


@command.command("run")
@click.argument("target", required=False)
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C: what is new is sent at once.")
@with_context
def run(context: Context, target: str | None, watch: bool) -> None:
    """Bring TARGET (the only one, unless named) up to what the lab holds now.

    Only what is new is sent. Killed, it goes on with the next call; what the target said it
    had, it has.

    \b
    Exit status: 0 all is there, 6 the lab has damaged data that could not be saved.
    """
    output = context.output
    if watch:
        _watch(context, target)
        return
    with open_lab(context) as lab, output.progress() as progress:
        shipped = backup.run_backup(lab, target, progress)
    _say(context, shipped)
    if shipped.damaged:
        raise IntegrityError(
            f"{count(len(shipped.damaged), 'blob')} of the lab could not be saved,"
            f" {shipped.damaged[0]} for one",
            hint="cloister doctor --scrub says what is damaged; all else is saved",
        )


def _watch(context: Context, target: str | None) -> None:
    """Until a signal; says what it saved, and when it cannot."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    told = Beat("", 0, 0, None)

    def tell(beat: Beat) -> None:
        nonlocal told
        if beat.trouble and beat.trouble != told.trouble:
            context.output.note(f"not saved: {beat.trouble}; trying again")
        elif beat.size != told.size:
            context.output.line(
                f"{beat.time[:19]}Z  saved up to entry {beat.size:,}, {beat.lag_ms} ms behind"
            )
        told = beat

    with open_lab(context) as lab:
        watch_backup(lab, target, ended.wait, tell)
    context.output.value({"size": told.size, "lag_ms": told.lag_ms})


def _say(context: Context, shipped: Shipped) -> None:
    output, last = context.output, shipped.last
    if last is None:
        output.line("nothing new since the last save")
    else:
        output.line(f"save {last.save.number}: {count(shipped.entries, 'entry', 'entries')}")
        output.pairs(
            [
                ("blobs", f"{shipped.blobs:,}"),
                ("sent", size(shipped.size_bytes)),
                ("reaches", f"entry {last.save.end:,} of the ledger"),
            ]
        )
    output.value(
        {
            "saves": shipped.saves,
            "save": last.save.number if last else None,
            "entries": shipped.entries,
            "blobs": shipped.blobs,
            "bytes": shipped.size_bytes,
            "size": last.save.end if last else None,
            "damaged": list(shipped.damaged),
        }
    )


@command.command("ls")
@click.argument("target", required=False)
@click.option("--saves", is_flag=True, help="List what can be restored to.")
@with_context
def ls(context: Context, target: str | None, saves: bool) -> None:
    """List the targets with what they lack, or with --saves the saves of one.

    \b
    Example:
      cloister backup ls --saves
    """
    output = context.output
    with open_lab(context) as lab:
        if saves:
            _list_saves(context, backup.list_saves(lab, target))
            return
        lines = backup.list_backups(lab)
    if not lines:
        output.line("no backup: a broken disk takes this lab with it")
        output.line("  next: cloister backup init /mnt/second/lab")
    else:
        output.table(
            ("target", "place", "last save", "not saved", "reached", "watched"),
            [
                (
                    line.target.target,
                    line.target.uri,
                    line.last.time[:19] + "Z" if line.last else "never",
                    lag(line.behind),
                    "yes" if line.there else "NOT THERE",
                    _watched(line.beat),
                )
                for line in lines
            ],
        )
    output.value(
        [
            {
                "target": line.target.target,
                "uri": line.target.uri,
                "save": line.last.number if line.last else None,
                "time": line.last.time if line.last else None,
                "size": line.last.size if line.last else 0,
                "behind": line.behind.entries,
                "since": line.behind.since,
                "there": line.there,
                "watched": line.beat is not None,
                "lag_ms": line.beat.lag_ms if line.beat else None,
                "trouble": line.beat.trouble if line.beat else None,
            }
            for line in lines
        ]
    )


def lag(behind: Behind) -> str:
    """What a backup does not have yet, in words."""
    if behind.since is None:
        return "nothing"
    return f"{count(behind.entries, 'change')} since {behind.since[:19]}Z"


def _watched(beat: Beat | None) -> str | None:
    if beat is None:
        return None
    return "CANNOT SAVE" if beat.trouble else f"{beat.lag_ms} ms behind"


def _list_saves(context: Context, lines: list[backup.SaveLine]) -> None:
    context.output.table(
        ("save", "time", "reaches entry", "new blobs"),
        [(line.number, line.time[:19] + "Z", line.entries, line.blobs) for line in lines],
    )
    context.output.value(
        [
            {"save": one.number, "time": one.time, "size": one.entries, "blobs": one.blobs}
            for one in lines
        ]
    )


@command.command("policy")
@with_context
def policy(context: Context) -> None:
    """Show, for each class of data, what may be lost, what would be, and what it costs.

    What is wanted stands in cloister.toml, e.g. `[recovery]` and `metadata = { rpo_s = 60,
    rto_s = 600 }`. RPO is measured now, RTO by the last `cloister drill`.

    \b
    Exit status: 0 nothing is missed, 6 an objective is not kept.
    """
    output = context.output
    wanted = configured(context).policy
    with open_lab(context) as lab:
        found = backup.recovery_standings(lab, wanted)
    output.table(
        ("class", "RPO wanted", "now", "RTO wanted", "rehearsed", "a copy takes", ""),
        [
            (
                one.name,
                duration(one.wanted.rpo_s),
                duration(one.rpo_s),
                duration(one.wanted.rto_s),
                duration(one.rto_s),
                size(one.size_bytes) if one.size_bytes else "-",
                one.says,
            )
            for one in found
        ],
    )
    output.value(
        [
            {
                "class": one.name,
                "rpo_wanted_s": one.wanted.rpo_s,
                "rpo_s": one.rpo_s,
                "rto_wanted_s": one.wanted.rto_s,
                "rto_s": one.rto_s,
                "bytes": one.size_bytes,
                "kept": one.kept,
            }
            for one in found
        ]
    )
    missed = [one.name for one in found if one.kept is False]
    if missed:
        raise IntegrityError(
            f"the objectives for {', '.join(missed)} are not kept",
            hint="save more often (backup run --watch), or rehearse again (drill)",
        )


def duration(seconds: float | None) -> str:
    """``24 h``, ``10 min``, ``0.3 s``; a dash for what was not measured."""
    if seconds is None:
        return "-"
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:,.0f} h"
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"


@command.command("mend")
@click.argument("target", required=False)
@with_context
def mend(context: Context, target: str | None) -> None:
    """Bring data of the lab that are gone or damaged back from TARGET.

    Reads the whole store and compares everything with its name. Damaged bytes are set
    aside in the store's folder `.damaged`, not removed.

    \b
    Exit status: 0 the store is whole, 2 or 6 the target lacks something as well.
    """
    output = context.output
    with open_lab(context) as lab, output.progress() as progress:
        mended = backup.mend_lab(lab, target, progress)
    output.line(f"{count(len(mended), 'blob')} brought back" if mended else "all was whole")
    for blob in mended[:20]:
        output.line(f"  {blob}")
    output.value({"mended": mended})


@command.command("verify")
@click.argument("target", required=False)
@click.option("--read-all", is_flag=True, help="Read every byte, not only names and sizes.")
@with_context
def verify(context: Context, target: str | None, read_all: bool) -> None:
    """Look for everything TARGET claims to hold.

    \b
    Exit status: 0 all is there, 6 something is missing, damaged or changed.
    """
    output = context.output
    with open_lab(context) as lab, output.progress() as progress:
        found = backup.verify_backup(lab, target, read_all=read_all, progress=progress)
    output.line("NOT WHOLE" if found.problems else "whole")
    read = "every byte read" if found.read_all else "names and sizes; --read-all reads them"
    output.pairs(
        [
            ("saves", f"{found.saves:,}, the newest of {(found.newest or '-')[:19]}Z"),
            ("entries", f"{found.entries:,}, as the lab signed them"),
            ("blobs", f"{found.blobs:,}, {size(found.size_bytes)}: {read}"),
        ]
    )
    for problem in found.problems[:20]:
        output.line(f"  {problem.blob}: {problem.problem}")
    output.value(
        {
            "whole": not found.problems,
            "saves": found.saves,
            "entries": found.entries,
            "blobs": found.blobs,
            "bytes": found.size_bytes,
            "newest": found.newest,
            "read_all": found.read_all,
            "problems": [{"blob": p.blob, "problem": p.problem} for p in found.problems],
        }
    )
    if found.problems:
        raise IntegrityError(
            f"the backup lacks {count(len(found.problems), 'blob')} that it claims to hold",
            hint="its disk or server loses data: make a new backup in another place",
        )
