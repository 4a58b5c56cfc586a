"""Breaks every defence that tests/attacks claims to watch, and sees that its test notices.

Each entry of tests/attacks/mutations/*.toml names a file, a text that occurs once in it, what
replaces it, and the test that must then fail. The tree is copied; nothing here is touched.
Usage: python tools/mutants.py [WORD ...]: only mutations whose file or name holds a word.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JOBS = 2
LONGEST_S = 300
BASELINE_S = 1800


@dataclass(frozen=True)
class Mutation:
    """One defence taken away."""

    claim: str
    name: str
    file: str
    find: str
    replace: str
    test: str


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

    def passes(self, *tests: str, jobs: int = 0, longest_s: int = LONGEST_S) -> bool:
        """Whether these tests pass as the tree stands."""
        command = [str(self.folder / ".venv/bin/python"), "-m", "pytest", "-x", "-q"]
        command += ["-p", "no:cacheprovider", "-n", str(jobs), *tests]
        try:
            done = subprocess.run(
                command, cwd=self.folder, capture_output=True, timeout=longest_s, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        if done.returncode not in {0, 1}:
            raise SystemExit(f"pytest could not run {tests}:\n{done.stdout.decode()[-2000:]}")
        return done.returncode == 0

    def survives(self, mutation: Mutation) -> bool:
        """Whether the test still passes with the defence gone."""
        path = self.folder / mutation.file
        text = path.read_text()
        path.write_text(text.replace(mutation.find, mutation.replace))
        try:
            return self.passes(mutation.test)
        finally:
            path.write_text(text)


def main(words: list[str]) -> int:
    """Runs all mutations; the exit status is the number that nobody noticed, at most 100."""
    mutations = [m for m in load() if not words or any(w in m.claim + m.name for w in words)]
    for mutation in mutations:
        found = (ROOT / mutation.file).read_text().count(mutation.find)
        if found != 1:
            raise SystemExit(
                f"{mutation.claim}: {mutation.name}: its text occurs {found} times"
            )
    with tempfile.TemporaryDirectory(prefix="cloister-mutants-") as folder:
        trees = [Tree(Path(folder) / str(number)) for number in range(JOBS)]
        check_baseline(trees[0], mutations)
        with ThreadPoolExecutor(JOBS) as pool:
            parts = [mutations[number::JOBS] for number in range(JOBS)]
            missed = sum(pool.map(report, trees, parts))
    print(f"{len(mutations) - missed} of {len(mutations)} mutations were noticed")
    return min(missed, 100)


def load() -> list[Mutation]:
    """All of them, by claim."""
    found = []
    for path in sorted((ROOT / "tests/attacks/mutations").glob("*.toml")):
        entries = tomllib.loads(path.read_text()).get("mutation", [])
        found += [Mutation(claim=path.stem, **entry) for entry in entries]
    return found


def check_baseline(tree: Tree, mutations: list[Mutation]) -> None:
    """A test that fails anyway would notice everything."""
    tests = sorted({mutation.test for mutation in mutations})
    if not tree.passes(*tests, jobs=JOBS, longest_s=BASELINE_S):
        raise SystemExit("the attack tests do not pass as the tree stands: mend them first")


def report(tree: Tree, mutations: list[Mutation]) -> int:
    """Tries each; says what happened; gives how many were missed."""
    missed = 0
    for mutation in mutations:
        survived = tree.survives(mutation)
        missed += survived
        verdict = "MISSED " if survived else "noticed"
        print(f"{verdict}  {mutation.claim}: {mutation.name}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
