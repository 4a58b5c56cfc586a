"""Pipelines that are due, each made by a process of its own: none waits for another."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cloister.cli.root import Context

_COMMAND = (sys.executable, "-Pm", "cloister")


@dataclass(slots=True)
class Tended:
    """What is made just now. What dies with this process is the say over it, no pipeline."""

    context: Context
    _made: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def begin(self, due: Iterable[str]) -> None:
        """Those of ``due`` that are not made already."""
        for name in due:
            process = self._made.get(name)
            if process is None or process.poll() is not None:
                self._made[name] = self._begun(name)

    def wait(self) -> list[Any]:
        """What they came to, once all are over; nothing but with ``--json``."""
        said = [process.communicate()[0] for process in self._made.values()]
        return [report for text in said if text for report in json.loads(text)]

    def interrupt(self) -> None:
        """Ends them as Ctrl-C does; they are over on return."""
        for process in self._made.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        self.wait()

    def _begun(self, name: str) -> subprocess.Popen[str]:
        context, output = self.context, self.context.output
        words = [
            *(("--lab", context.lab) if context.lab else ()),
            *(("--project", context.project) if context.project else ()),
            *(("--json",) if output.as_json else ()),
            *(("--quiet",) if output.quiet else ()),
        ]
        # In a session of its own: Ctrl-C in a terminal reaches it once, from here.
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*_COMMAND, *words, "pipeline", "tend", "--only", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output.as_json else None,
            text=True,
            start_new_session=True,
        )
