"""The main job on real data: the commands a newcomer would type, run and shown.

442 patients of a diabetes study in one table, and every DICOM file of the pydicom package.
Everything happens in ./demo and is made anew at each run.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "demo"
BIN = Path(sys.executable).parent
CAN_STYLE = sys.stdout.isatty()


def main() -> int:
    """Runs the tour; non-zero if any step does not do what it should."""
    started = time.monotonic()
    prepare()
    try:
        tour()
    finally:
        cloister("lock", "--stop", show=False, expect=None)
    print(f"\nThe whole tour took {time.monotonic() - started:.0f} s.")
    print(f"Look at {PLACE / 'chain.html'}: from the patient to the prediction.")
    return 0


def prepare() -> None:
    """An empty folder with the study's table, the DICOM files and the training script."""
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "home").mkdir(parents=True)
    (PLACE / "passphrase").write_text("the wards are quiet at night\n")
    (PLACE / "passphrase").chmod(0o600)
    run([sys.executable, str(ROOT / "examples/diabetes/data.py")], show=False)
    run([sys.executable, str(ROOT / "examples/dicom/data.py")], show=False)
    shutil.copy(ROOT / "examples/diabetes/train.py", PLACE)
    os.chmod(PLACE, 0o700)


def tour() -> None:
    """The main job, in order."""
    say("A lab: keys, store, ledger")
    cloister("init", "lab", "--save-kit", "recovery-kit.txt")

    say("Patient data in: one table of 442 patients, then every DICOM file pydicom ships")
    cloister(
        "add", "./diabetes", "--name", "diabetes",
        "--subject-column", "patient_id", "--label-column", "progression",
    )  # fmt: skip
    cloister("add", "./dicom", "--name", "scans")
    account_for_dicom()

    say("Train: an ordinary script, unmodified, fenced; its attempt to fetch a URL fails")
    cloister(
        "run", "--", "python", "train.py", "--data", "./diabetes",
        "--fetch", "http://example.com/weights",
    )  # fmt: skip
    run_id = json.loads(cloister("--json", "ls", "--runs", show=False))[-1]["run"]
    cloister("get", run_id, "metrics.json")
    print()

    say("Serve and predict, over HTTPS checked against the lab's own CA")
    predict(run_id)

    say("Prove, and check the proof where only `cryptography` is installed")
    prove(run_id)

    say("One patient withdraws")
    erase()
    cloister("audit")


def account_for_dicom() -> None:
    """Every file is a record or in quarantine with its reason."""
    files = sum(path.is_file() for path in (PLACE / "dicom").rglob("*"))
    kept = json.loads(cloister("--json", "ls", "scans", "--all", show=False))
    aside = json.loads(cloister("--json", "ls", "scans", "--quarantine", "--all", show=False))
    print(f"\n{files} files: {len(kept)} records, {len(aside)} in quarantine.")
    check(files == len(kept) + len(aside), "every file is accounted for")


def predict(run_id: str) -> None:
    """One question to the served model."""
    shown("cloister", "serve", run_id)
    server = subprocess.Popen(
        [str(BIN / "cloister"), "--json", "serve", run_id],
        cwd=PLACE, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            line = server.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
            text += line
        address = json.loads(text)
        body = question(address)
        print(json.dumps(body, indent=2))
        check(body["parameters"]["watermark"] == "unreleased", "the answer is watermarked")
    finally:
        server.terminate()
        server.wait(20)


def question(address: dict) -> dict:
    """Asks the Open Inference Protocol's way."""
    row = [59.0, 2.0, 32.1, 101.0, 157.0, 93.2, 38.0, 4.0, 4.8598, 87.0]
    trust = ssl.create_default_context(cafile=address["ca_file"])
    headers = {
        "Authorization": f"Bearer {Path(address['token_file']).read_text()}",
        "Content-Type": "application/json",
    }
    described = address["url"] + f"/v2/models/{address['model']}"
    with urllib.request.urlopen(
        urllib.request.Request(described, headers=headers), context=trust
    ) as reply:
        tensor = json.load(reply)["inputs"][0]
    asked = {
        "name": tensor["name"],
        "datatype": tensor["datatype"],
        "shape": [1, 10],
        "data": row,
    }
    payload = json.dumps({"inputs": [asked]}).encode()
    with urllib.request.urlopen(
        urllib.request.Request(address["infer"], payload, headers), context=trust
    ) as reply:
        return json.load(reply)


def prove(run_id: str) -> None:
    """A bundle, its check in a bare environment, and a forgery."""
    cloister("prove", run_id, "-o", "bundle")
    cloister("verifier", "cloister_verify.py")
    bare = bare_environment()
    names = pip(bare, "list", "--format=freeze")
    print("\nThe bare environment holds: " + ", ".join(names.split()))
    verify = [bare, "cloister_verify.py", "bundle", "--trust", "lab/lab.pub"]
    run(verify)
    model = next((PLACE / "bundle/models").iterdir())
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    print("\nOne bit of the model flipped:")
    run(verify, expect=1)
    content[len(content) // 2] ^= 1
    model.write_bytes(content)


def bare_environment() -> str:
    """A Python with `cryptography` and nothing of Cloister; wheels already here are used."""
    place = PLACE / "bare"
    venv.create(place, with_pip=False)
    python = str(place / "bin/python")
    pip(python, "install", "-q", "cryptography")
    return python


def pip(python: str, *words: str) -> str:
    """Our own pip at work on another environment, with this user's settings and cache."""
    command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    return done.stdout


def erase() -> None:
    """Before and after: the lab, its copy, the copy of the key store, the page."""
    shutil.copytree(PLACE / "lab", PLACE / "lab-before")
    keys = next((PLACE / "home/.local/share/cloister").iterdir())
    shutil.copytree(keys, PLACE / "keys-before", ignore=shutil.ignore_patterns("epoch.record"))
    subject = cloister("subject", "pseudonym", "-", typed="P0017\n").strip()
    record = json.loads(cloister("--json", "trace", subject, show=False))["records"][0]
    cloister("erase", "-", "--dry-run", typed="P0017\n")
    cloister(
        "erase", "-", "--reason", "consent withdrawn", "--yes",
        "--certificate", "certificate", typed="P0017\n",
    )  # fmt: skip
    print("\nTheir record, afterwards:")
    cloister("get", record, expect=5)
    cloister("ls", "--models")
    print("\nThe copy of the lab taken before, with today's keys:")
    tried = json.loads(
        cloister("readback", "lab-before", "--subject", subject, "--sample", "100", "--json")
    )
    check(tried["subject"]["readable"] == 0, "the erased patient stays unreadable in the copy")
    check(tried["sample"]["readable"] == 100, "100 others read back from it")
    print("\nThe key store copied before:")
    tried = json.loads(cloister("readback", "--keystore", "keys-before/keystore.db", "--json"))
    check(tried["opened"] == 0, "it opens nothing any more")
    print("\nThe certificate, checked where only `cryptography` is installed:")
    verify = [str(PLACE / "bare/bin/python"), "cloister_verify.py", "certificate"]
    run([*verify, "--trust", "lab/lab.pub"])
    cloister("page", subject, "-o", "chain.html")


def say(text: str) -> None:
    """A heading."""
    line = f"\n== {text} =="
    print(f"\033[1m{line}\033[0m" if CAN_STYLE else line, flush=True)


def shown(*words: str) -> None:
    """A command as one would type it."""
    line = "\n$ " + " ".join(words)
    print(f"\033[36m{line}\033[0m" if CAN_STYLE else line, flush=True)


def check(holds: bool, what: str) -> None:
    """Stops the tour when a claim does not hold."""
    if not holds:
        raise SystemExit(f"FAILED: {what}")
    print(f"  checked: {what}")


def cloister(
    *words: str, show: bool = True, expect: int | None = 0, typed: str | None = None
) -> str:
    """One Cloister command; its output is shown and returned."""
    if show:
        before = f"echo {typed.strip()} | " if typed else ""
        shown(f"{before}cloister", *words)
    return run(
        [str(BIN / "cloister"), *words], show=False, echo=show, expect=expect, typed=typed
    )


def run(
    words: list[str],
    *,
    show: bool = True,
    echo: bool = True,
    expect: int | None = 0,
    typed: str | None = None,
) -> str:
    """One command in the demo's folder; another exit status than expected ends the tour."""
    if show:
        shown(*[Path(words[0]).name, *words[1:]])
    done = subprocess.run(
        words, cwd=PLACE, env=environment(), input=typed, text=True,
        stdin=None if typed else subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    if echo and (show or words[0].endswith("cloister")):
        print(done.stdout + done.stderr, end="", flush=True)
    if expect is not None and done.returncode != expect:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise SystemExit(f"FAILED: exit status {done.returncode}, expected {expect}: {words}")
    return done.stdout


def environment() -> dict[str, str]:
    """This shell's, with a home of its own so that the demo touches nothing of yours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return kept | {
        "HOME": str(PLACE / "home"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "CLOISTER_LAB": str(PLACE / "lab"),
        "CLOISTER_PASSPHRASE_FILE": str(PLACE / "passphrase"),
    }


if __name__ == "__main__":
    sys.exit(main())
