"""Breaks every defence that tests/attacks claims to watch, and sees that its test notices.

Each entry of tests/attacks/mutations/*.toml names a file, a text that occurs once in it, what
replaces it, and the test that must then fail. The tree is copied; nothing here is touched.
Usage: python tools/mutants.py [WORD ...]: only mutations whose claim or name holds a word.
All of them take hours, so what was noticed is kept in `.mutants`, and tried again only once the
file that it breaks or the file of its test has changed; remove it to try everything.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".mutants"
JOBS = 2
LONGEST_S = 600


@dataclass(frozen=True)
class Mutation:
    """One defence taken away."""

    claim: str
    name: str
    file: str
    find: str
    replace: str
    test: str

    @property
    def digest(self) -> str:
        """What the answer hangs on: the defence and its file, and the file of its test."""
        files = (self.file, self.test.partition("::")[0])
        texts = [(ROOT / name).read_text() for name in files]
        words = (self.find, self.replace, self.test, *texts)
        return hashlib.sha256("\0".join(words).encode()).hexdigest()


class Tree:
    """A copy of the sources and tests, with an interpreter of its own that imports them.

    PYTHONPATH would not do: the key service and the fence start isolated interpreters.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (
            *("src", "tests", "examples", "docs", "tools"),
            "console",
            "pyproject.toml",
        ):
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "node_modules")
                shutil.copytree(source, folder / name, ignore=ignored)
            elif source.exists():
                shutil.copy(source, folder / name)
        (folder / "console/node_modules").symlink_to(ROOT / "console/node_modules")
        venv.create(folder / ".venv", with_pip=False)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        ours = Path(sys.prefix) / "lib" / version / "site-packages"
        site = folder / ".venv/lib" / version / "site-packages"
        (site / "mutant.pth").write_text(f"{folder / 'src'}\n{ours}\n")
        script = folder / ".venv/bin/cloister"
        python = folder / ".venv/bin/python"
        script.write_text(f"#!{python}\nfrom cloister.cli import main\nmain()\n")
        script.chmod(0o755)

    def outcome(self, test: str) -> str:
        """`passed`, `failed`, or why neither can be said, as the tree stands."""
        command = [str(self.folder / ".venv/bin/python"), "-m", "pytest", "-x", "-q"]
        command += ["-p", "no:cacheprovider", test]
        # A file, not a pipe: what a failing test leaves running would hold a pipe open.
        with tempfile.TemporaryFile() as kept:
            try:
                done = subprocess.run(
                    command,
                    cwd=self.folder,
                    stdout=kept,
                    stderr=kept,
                    timeout=LONGEST_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return f"did not end in {LONGEST_S} s"
            kept.seek(0)
            said = kept.read().decode(errors="replace")
        if done.returncode not in {0, 1} or "Timeout (>" in said:
            return f"was not run to its end:\n{said[-2000:]}"
        return "failed" if done.returncode else "passed"

    def outcome_without(self, mutation: Mutation) -> str:
        """The same of a mutation's test, with the defence gone."""
        path = self.folder / mutation.file
        text = path.read_text()
        path.write_text(text.replace(mutation.find, mutation.replace))
        try:
            return self.outcome(mutation.test)
        finally:
            path.write_text(text)


def main(words: list[str]) -> int:
    """Runs all mutations; the exit status is the number that nobody noticed, at most 100."""
    chosen = [m for m in load() if not words or any(w in m.claim + m.name for w in words)]
    for mutation in chosen:
        found = (ROOT / mutation.file).read_text().count(mutation.find)
        if found != 1:
            raise SystemExit(
                f"{mutation.claim}: {mutation.name}: its text occurs {found} times"
            )
    known = set(KEPT.read_text().split()) if KEPT.exists() else set()
    left = sorted((m for m in chosen if m.digest not in known), key=lambda m: m.test)
    if len(left) < len(chosen):
        print(f"{len(chosen) - len(left)} were noticed before, by the tests as they are")
    with tempfile.TemporaryDirectory(prefix="cloister-mutants-") as folder:
        trees: SimpleQueue[Tree] = SimpleQueue()
        for number in range(JOBS):
            trees.put(Tree(Path(folder) / str(number)))
        with ThreadPoolExecutor(JOBS) as pool:
            groups = [list(group) for _, group in groupby(left, lambda m: m.test)]
            not_noticed = sum(pool.map(lambda group: report(trees, group), groups))
    print(f"{len(chosen) - not_noticed} of {len(chosen)} mutations were noticed")
    return min(not_noticed, 100)


def load() -> list[Mutation]:
    """All of them, by claim."""
    found = []
    for path in sorted((ROOT / "tests/attacks/mutations").glob("*.toml")):
        entries = tomllib.loads(path.read_text()).get("mutation", [])
        found += [Mutation(claim=path.stem, **entry) for entry in entries]
    return found


def report(trees: SimpleQueue[Tree], mutations: list[Mutation]) -> int:
    """Tries those of one test; says what happened; gives how many were not noticed."""
    tree = trees.get()
    try:
        before = tree.outcome(mutations[0].test)
        if before != "passed":  # it would notice everything
            print(f"NOT TRIED  {mutations[0].test} {before} as the tree stands", flush=True)
            return len(mutations)
        return sum(not noticed(tree, mutation) for mutation in mutations)
    finally:
        trees.put(tree)


def noticed(tree: Tree, mutation: Mutation) -> bool:
    """Tries one; says what happened, and keeps it when it was noticed."""
    outcome = tree.outcome_without(mutation)
    verdict = {"failed": "noticed ", "passed": "MISSED  "}.get(outcome, "NOT RUN ")
    print(f"{verdict} {mutation.claim}: {mutation.name}", flush=True)
    if outcome == "failed":
        with KEPT.open("a") as kept:
            kept.write(f"{mutation.digest}\n")
    elif outcome != "passed":
        print(f"{mutation.test} {outcome}", flush=True)
    return outcome == "failed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
