"""Makes a small lab with the release at hand, which later releases must be able to open.

It holds two versions of a dataset with labels and something set aside, a run with a model, a
split, a tag and an erasure. Usage: python tools/golden_lab.py tests/golden/lab-0.1
What is there is never made again: it is what that release wrote.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloister import __version__
from cloister.app import config as configuration
from cloister.app.platform import engines
from cloister.core.clock import SystemClock, timestamp
from cloister.core.events import Event
from cloister.core.ids import PersonId
from cloister.testing.onnx_models import linear

PASSPHRASE = "a passphrase of a lab without patients"
OTHER_UIDS = (1000, 1001)
"""Who may open it besides whoever made it: continuous integration runs as one of them."""


@dataclass(frozen=True)
class Maker:
    """The command line, in a home of its own."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the developer's own."""
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "CLOISTER_PASSPHRASE_FILE": str(self.home / "passphrase"),
        }

    def __call__(self, *words: str, typed: str = "") -> str:
        """What a command says with --json."""
        done = subprocess.run(
            [sys.executable, "-m", "cloister", "--json", *words],
            cwd=self.home / "work",
            env=self.environment,
            input=typed,
            text=True,
            check=True,
            stdout=subprocess.PIPE,
        )
        return done.stdout

    def json(self, *words: str, typed: str = "") -> Any:
        """The same, read."""
        return json.loads(self(*words, typed=typed))


def main() -> int:
    """Makes the lab; gives the exit status."""
    out = Path(sys.argv[1]).absolute()
    out.mkdir(parents=True)
    home = Path(tempfile.mkdtemp(prefix="cl-"))
    maker = Maker(home)
    try:
        expected = _live(maker)
        maker("lock", "--stop")
        _wait_for_end(home / ".local/share/cloister" / expected["lab"] / "keyd.lock")
        _pack(home, out / "lab.tar.xz")
    finally:
        subprocess.run(
            [sys.executable, "-m", "cloister", "lock", "--stop"],
            env=maker.environment,
            cwd=home,
            check=False,
            capture_output=True,
        )
        shutil.rmtree(home)
    text = json.dumps(expected, indent=2, sort_keys=True)
    (out / "expected.json").write_text(text + "\n")
    return 0


def _live(maker: Maker) -> dict[str, Any]:
    """A short life of a lab; gives what must be found in it later."""
    home = maker.home
    (home / "run").mkdir(mode=0o700)
    (home / "passphrase").write_text(PASSPHRASE + "\n")
    scans = home / "work" / "scans"
    plain = _write_scans(scans)
    made = maker.json("init")
    pattern = ("--subject-pattern", "^(P[0-9]+)/")
    labels = ("--labels", str(home / "work" / "labels.csv"), "--label-column", "finding")
    maker("add", "scans", *pattern, *labels)
    maker("dataset", "tag", "data1@1", "first")
    maker("dataset", "split", "data1", "fold")
    (scans / "P001" / "later.txt").write_text("patient 1, a later scan\n")
    plain["P001/later.txt"] = _digest(scans / "P001" / "later.txt")
    maker("add", "scans", *pattern)
    (home / "work" / "train.py").write_text(_TRAIN % base64.b64encode(linear()).decode())
    maker("run", "--data", "data1@2", "--", "python", "train.py", "scans")
    erased = maker.json("erase", "-", "--reason", "consent withdrawn", "--yes", typed="P003\n")
    _let_in(home)
    audit = maker.json("audit")
    return {
        "version": __version__,
        "lab": made["lab"],
        "passphrase": PASSPHRASE,
        "recovery_code": made["recovery_code"],
        "plaintext_sha256": {
            path: digest for path, digest in plain.items() if not path.startswith("P003/")
        },
        "erased": {"operation": erased["operation"], "subject": erased["subject"]},
        "audit": audit,
    }


def _write_scans(folder: Path) -> dict[str, str]:
    """Four patients, three files each, one file of nobody; and labels beside it."""
    lines = ["path,finding"]
    for patient in range(4):
        place = folder / f"P{patient:03d}"
        place.mkdir(parents=True)
        for number in range(3):
            (place / f"{number}.txt").write_text(f"patient {patient}, scan {number}\n" * 20)
            lines.append(f"P{patient:03d}/{number}.txt,{'yes' if patient % 2 else 'no'}")
    (folder / "stray.txt").write_text("a scan of nobody known\n")
    (folder.parent / "labels.csv").write_text("\n".join(lines) + "\n")
    found = sorted(path for path in folder.rglob("*.txt") if path.parent != folder)
    return {str(path.relative_to(folder)): _digest(path) for path in found}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _let_in(home: Path) -> None:
    """Members for the other users: there is no command for it yet."""
    environment = {"XDG_RUNTIME_DIR": str(home / "run")}
    around = configuration.Surroundings(environment, os.getuid(), home)
    config = configuration.load(around, home / "cloister-lab")
    now = timestamp(SystemClock().now())
    with engines(config) as parts:
        for uid in OTHER_UIDS:
            person = PersonId.new(secrets.token_bytes)
            body = {"name": f"user {uid}", "os_uid": uid, "person": person, "role": "admin"}
            event = Event("person.added", now, person, "for continuous integration", body)
            parts.database.write(lambda tx, event=event: parts.ledger.append(tx, [event]))


def _wait_for_end(lock: Path) -> None:
    """Returns once the key service has let go of its folder."""
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)


def _pack(home: Path, target: Path) -> None:
    """The lab's folder, its keys and the remembered heads, as they lie in the home."""
    with tarfile.open(target, "w:xz", format=tarfile.PAX_FORMAT) as archive:
        for name in ("cloister-lab", ".local/share/cloister", ".local/state/cloister"):
            archive.add(home / name, name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


_TRAIN = """\
import base64, pathlib, sys
seen = sorted(pathlib.Path(sys.argv[1]).rglob("*.txt"))
pathlib.Path("model.onnx").write_bytes(base64.b64decode("%s"))
pathlib.Path("metrics.json").write_text('{"files": %%d}\\n' %% len(seen))
print(len(seen), "files")
"""

if __name__ == "__main__":
    sys.exit(main())
