"""Fills the pages of docs/ with what the commands in them really print.

A page with a block marked ```` ```console render ```` is one session: its commands (lines that
begin with ``$ ``) run in a home of their own, in order, and their output replaces what stands
below them. ```` ```python file=NAME ```` puts a file where the session works. A comment
``<!-- type: one | two -->`` gives a block's first command a terminal and types into it.
A command that ends in `` &`` goes on in the background until ``$ kill %1``.

Ids, digests, times and the machine are replaced by fixed ones, so a page changes only when the
product does; numbers may differ. ``--check`` writes nothing and says which pages are stale.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from doc_figures import render_figures
from doc_growth import render_growth
from doc_names import Names, shape

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_BLOCK = re.compile(
    r"(?P<typed><!-- type: (?P<keys>[^\n]*) -->\n)?"
    r"(?P<open>```(?P<info>[^\n`]+))\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_PROMPT_ENDS = (": ", "]: ")
_PATIENCE_S = 240.0
_QUIET_S = 3.0


@dataclass
class Session:
    """A home, a folder to work in, and the commands run there."""

    place: Path
    names: Names
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """Where the lab of the page is made."""
        return self.place / "home"

    @property
    def folder(self) -> Path:
        """Where the commands run."""
        return self.home / "ward3"

    @property
    def environment(self) -> dict[str, str]:
        """No variable of the developer's own lab, home or shell."""
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "dumb",
            "XDG_RUNTIME_DIR": str(self.place / "run"),
        }

    def run(self, command: str, keys: list[str]) -> str:
        """What ``command``, in the page's own names, really prints."""
        real = self.names.real(command)
        if real == "kill %1":
            return self._end()
        if real.endswith(" &"):
            return self.names.learn(self._begin(real[:-2]))
        if keys:
            return self.names.learn(self._typed(real, keys))
        done = subprocess.run(
            ["bash", "-c", real],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        return self.names.learn(done.stdout)

    def _begin(self, command: str) -> str:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.running.append(process)
        assert process.stdout is not None
        return _until_quiet(process.stdout.fileno())

    def _typed(self, command: str, keys: list[str]) -> str:
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.execve("/bin/bash", ["bash", "-c", command], self.environment)
        said, waiting = "", list(keys)
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # the job's end of the terminal is closed
                break
            if not piece:
                break
            said = _ESCAPES.sub("", said + piece.decode("utf-8", "replace"))
            if waiting and said.endswith(_PROMPT_ENDS):
                os.write(terminal, waiting.pop(0).encode() + b"\n")
        os.waitpid(child, 0)
        os.close(terminal)
        return said

    def _end(self) -> str:
        process = self.running.pop()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        return ""

    def close(self) -> None:
        """Ends what still runs, the key service too, and removes the home."""
        while self.running:
            self._end()
        self.run("cloister lock --stop", [])
        shutil.rmtree(self.place, ignore_errors=True)


def _until_quiet(descriptor: int) -> str:
    """What is said until nothing more comes for a moment."""
    said, began = b"", time.monotonic()
    while time.monotonic() - began < _PATIENCE_S:
        ready, _, _ = select.select([descriptor], [], [], _QUIET_S)
        if ready:
            piece = os.read(descriptor, 4096)
            if not piece:
                break
            said += piece
        elif said:
            break
    return said.decode("utf-8", "replace")


def opened() -> Session:
    """An empty home with the repository beside the folder that the page works in."""
    place = Path(tempfile.mkdtemp(prefix="cl-"))  # short: a socket's path has 107 bytes
    session = Session(place, Names(place / "home", place / "run"))
    session.folder.mkdir(parents=True)
    (place / "run").mkdir(mode=0o700)
    (session.home / "cloister").symlink_to(ROOT)
    return session


def render(text: str, session: Session) -> str:
    """The page with every marked block filled."""
    blocks = list(_BLOCK.finditer(text))
    printed = [_run(block, session) for block in blocks]  # all, before anything is named
    parts, at = [], 0
    for block, filled in zip(blocks, printed, strict=True):
        body = block["body"] if filled is None else session.names.shown(filled)
        parts += [text[at : block.start("body")], body]
        at = block.end("body")
    return "".join([*parts, text[at:]])


def _run(block: re.Match[str], session: Session) -> str | None:
    """A marked block with what its commands print; None for any other."""
    info, body = block["info"].split(), block["body"]
    for word in info:
        if word.startswith("file="):
            (session.folder / word.removeprefix("file=")).write_text(body)
    if "render" not in info:
        return None
    keys = [key.strip() for key in (block["keys"] or "").split("|") if key.strip()]
    lines = []
    for command in _commands(body):
        said = session.run(command.replace("\\\n", " "), keys).rstrip()
        lines += [f"$ {session.names.real(command)}\n", f"{said}\n" if said else ""]
        keys = []
    return "".join(lines)


def _commands(body: str) -> Iterator[str]:
    """The commands of a block; one that ends in a backslash goes on."""
    for found in re.finditer(r"^\$ ((?:.*\\\n)*.*)$", body, re.MULTILINE):
        yield found[1]


def pages() -> list[Path]:
    """All pages with something to fill."""
    return [
        page for page in sorted(DOCS.rglob("*.md")) if "```console render" in page.read_text()
    ]


def rendered(page: Path) -> tuple[str, str]:
    """A page as it is and as it would be."""
    before, session = page.read_text(), opened()
    try:
        return before, render(before, session)
    finally:
        session.close()


def main() -> int:
    """Renders all pages, or checks them; 1 when one is stale."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--all", action="store_true", help="renew numbers as well")
    options = parser.parse_args()
    stale = []
    for page in pages():
        before, after = rendered(page)
        if options.all or shape(before) != shape(after):
            stale.append(page)
            if not options.check:
                page.write_text(after)
    figures = DOCS / "reference" / "figures.md"
    text = render_figures(ROOT / "benchmarks" / "results")
    if not options.check:
        figures.write_text(text)
        drawn = render_growth(ROOT / "benchmarks" / "results" / "pipelines.jsonl")
        (DOCS / "reference" / "growth.svg").write_text(drawn)
    for page in stale:
        print(f"{'stale' if options.check else 'written'}: {page.relative_to(ROOT)}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
