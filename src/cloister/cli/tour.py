"""A tour: real commands in a home of their own, shown as a person would type them."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

_COMMAND = (sys.executable, "-Pm", "cloister")


class TourEnded(Exception):
    """A command did not do what the tour expected."""

    def __init__(self, words: tuple[str, ...], status: int) -> None:
        super().__init__(f"`cloister {words[0]}` ended with exit status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Tour:
    """A lab for as long as the tour lasts; nothing of the user's own lab is touched."""

    place: Path
    """A private folder: home, passphrase, lab."""
    workdir: Path
    """Where the commands run."""
    around: Mapping[str, str] = field(repr=False)
    """The caller's variables."""
    shown: bool = True

    @property
    def lab(self) -> Path:
        """The lab's folder."""
        return self.place / "lab"

    @property
    def environment(self) -> dict[str, str]:
        """The caller's variables, with a home, a lab and a passphrase of the tour's own."""
        kept = {name: value for name, value in self.around.items() if name[:4] != "XDG_"}
        here = str(Path(sys.executable).parent)
        return kept | {
            "HOME": str(self.place / "home"),
            "PATH": f"{here}:{kept.get('PATH', '/usr/bin:/bin')}",
            "XDG_RUNTIME_DIR": str(self.place / "run"),
            "CLOISTER_LAB": str(self.lab),
            "CLOISTER_PASSPHRASE_FILE": str(self.place / "passphrase"),
        }

    def prepare(self) -> None:
        """Makes the private folder's parts."""
        for name in ("home", "run"):
            (self.place / name).mkdir(mode=0o700, parents=True)
        passphrase = self.place / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe() + "\n")

    def heading(self, text: str) -> None:
        """What comes next."""
        if self.shown:
            click.secho(f"\n== {text} ==", bold=True)

    def show(self, *words: str, typed: str | None = None) -> None:
        """A command line as one would type it."""
        if self.shown:
            before = f"echo {typed.strip()} | " if typed else ""
            click.secho(f"\n$ {before}{shlex.join(words)}", fg="cyan")
            sys.stdout.flush()

    def run(self, *words: str, expect: int | None = 0, typed: str | None = None) -> None:
        """One command in front of the user; raises TourEnded for another exit status."""
        self.show("cloister", *words, typed=typed)
        to = None if self.shown else sys.stderr.fileno()
        done = self._call(words, typed, stdout=to)
        if expect is not None and done.returncode != expect:
            raise TourEnded(words, done.returncode)

    def ask(self, *words: str, typed: str | None = None) -> Any:
        """What a command answers with --json, unseen; raises TourEnded if it fails."""
        words = ("--quiet", "--json", *words)
        done = self._call(words, typed, stdout=subprocess.PIPE)
        if done.returncode:
            raise TourEnded(words[2:], done.returncode)
        return json.loads(done.stdout)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on, with --json on its standard output."""
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*_COMMAND, "--json", *words],
            cwd=self.workdir,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """Ends the tour's key service."""
        with open("/dev/null", "w") as nowhere:
            self._call(("lock", "--stop"), None, stdout=nowhere, stderr=nowhere)

    def _call(
        self, words: tuple[str, ...], typed: str | None, **streams: Any
    ) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        return subprocess.run(  # noqa: S603 - our own interpreter and module
            [*_COMMAND, *words],
            cwd=self.workdir,
            env=self.environment,
            input=typed or "",
            text=True,
            check=False,
            **streams,
        )
