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

from cloister.cli.tour import Tour, TourEnded

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "demo"
TOUR = Tour(PLACE, PLACE, os.environ)


def main() -> int:
    """Runs the tour; non-zero if any step does not do what it should."""
    sys.stdout.reconfigure(line_buffering=True)  # in order with what the commands print
    started = time.monotonic()
    prepare()
    try:
        tour()
        print(f"\nThe whole tour took {time.monotonic() - started:.0f} s.")
        print(f"Look at {PLACE / 'chain.html'}: from the patient to the prediction.")
        console()
    except TourEnded as stop:
        raise SystemExit(f"FAILED: {stop}") from stop
    finally:
        TOUR.end()
    return 0


def console() -> None:
    """The page of the newest run, live; up for as long as somebody sits there."""
    TOUR.heading("The console: everything above, to look at")
    run = TOUR.ask("ls", "--runs")[-1]["run"]
    TOUR.show("cloister", "up", "--port", "0")
    service = TOUR.start("up", "--port", "0")
    try:
        said = answer_of(service)
        print(f"The run, live: {said['url']}/runs/{run}")
        print(f"Log in first; this link is good once, for you alone: {said['join']}")
        if sys.stdin.isatty():
            print("Ctrl-C ends it.")
            service.wait()
    except KeyboardInterrupt:
        pass
    finally:
        service.terminate()
        service.wait()


def answer_of(process: subprocess.Popen[str]) -> dict[str, str]:
    """The JSON that a command prints once it answers."""
    assert process.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        if not line:
            raise SystemExit("FAILED: the service ended")
        text += line
    found: dict[str, str] = json.loads(text)
    return found


def prepare() -> None:
    """An empty folder with the study's table, the DICOM files and the training script."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(mode=0o700)
    TOUR.prepare()
    for name in ("diabetes", "dicom"):
        subprocess.run(
            [sys.executable, str(ROOT / f"examples/{name}/data.py")], cwd=PLACE, check=True
        )
    for script in ("train.py", "tracked.py"):
        shutil.copy(ROOT / "examples/diabetes" / script, PLACE)


def tour() -> None:
    """The main job, in order."""
    TOUR.heading("A lab: keys, store, ledger")
    TOUR.run("init", "lab", "--save-kit", "recovery-kit.txt")

    TOUR.heading(
        "Patient data in: one table of 442 patients, then every DICOM file pydicom ships"
    )
    TOUR.run(
        "add", "./diabetes", "--name", "diabetes",
        "--subject-column", "patient_id", "--label-column", "progression",
    )  # fmt: skip
    TOUR.run("add", "./dicom", "--name", "scans")
    account_for_dicom()

    TOUR.heading(
        "Train: an ordinary script, unmodified, fenced; its attempt to fetch a URL fails"
    )
    TOUR.run(
        "run", "--", "python", "train.py", "--data", "./diabetes",
        "--fetch", "http://example.com/weights",
    )  # fmt: skip
    run_id = TOUR.ask("ls", "--runs")[-1]["run"]
    TOUR.run("get", run_id, "metrics.json")
    print()
    track()

    TOUR.heading("Serve and predict, over HTTPS checked against the lab's own CA")
    predict(run_id)

    TOUR.heading("Prove, and check the proof where only `cryptography` is installed")
    prove(run_id)

    TOUR.heading("One patient withdraws")
    erase()
    TOUR.run("audit")


def track() -> None:
    """A script that logs with MLflow finds a server, and its figures find their run."""
    TOUR.heading("Log with MLflow from inside the fence: no server to start, nothing to set")
    TOUR.run("run", "--", "python", "tracked.py", "--data", "./diabetes")
    TOUR.run("tracked", "ls")
    fenced = TOUR.ask("ls", "--runs")[-1]["run"]
    (logged,) = TOUR.ask("tracked", "ls", "diabetes, tree by tree")
    check(logged["fenced"] == fenced, "what was logged belongs to the fenced run")
    check(logged["status"] == "FINISHED", "it ended well")


def account_for_dicom() -> None:
    """Every file is a record or in quarantine with its reason."""
    files = sum(path.is_file() for path in (PLACE / "dicom").rglob("*"))
    kept = TOUR.ask("ls", "scans", "--all")
    aside = TOUR.ask("ls", "scans", "--quarantine", "--all")
    print(f"\n{files} files: {len(kept)} records, {len(aside)} in quarantine.")
    check(files == len(kept) + len(aside), "every file is accounted for")


def predict(run_id: str) -> None:
    """One question to the served model."""
    TOUR.show("cloister", "serve", run_id)
    server = TOUR.start("serve", run_id)
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
    TOUR.run("prove", run_id, "-o", "bundle")
    TOUR.run("verifier", "cloister_verify.py")
    bare = bare_environment()
    names = pip(bare, "list", "--format=freeze")
    print("\nThe bare environment holds: " + ", ".join(names.split()))
    command = [bare, "cloister_verify.py", "bundle", "--trust", "lab/lab.pub"]
    verify(command)
    model = next((PLACE / "bundle/models").iterdir())
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    print("\nOne bit of the model flipped:")
    verify(command, expect=1)
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
    TOUR.run("subject", "pseudonym", "-", typed="P0017\n")
    subject = TOUR.ask("subject", "pseudonym", "-", typed="P0017\n")["subject"]
    record = TOUR.ask("trace", subject)["records"][0]
    TOUR.run("erase", "-", "--dry-run", typed="P0017\n")
    TOUR.run(
        "erase", "-", "--reason", "consent withdrawn", "--yes",
        "--certificate", "certificate", typed="P0017\n",
    )  # fmt: skip
    print("\nTheir record, afterwards:")
    TOUR.run("get", record, expect=5)
    TOUR.run("ls", "--models")
    print("\nThe copy of the lab taken before, with today's keys:")
    sample = ("readback", "lab-before", "--subject", subject, "--sample", "100")
    TOUR.run(*sample)
    tried = TOUR.ask(*sample)
    check(tried["subject"]["readable"] == 0, "the erased patient stays unreadable in the copy")
    check(tried["sample"]["readable"] == 100, "100 others read back from it")
    print("\nThe key store copied before:")
    keystore = ("readback", "--keystore", "keys-before/keystore.db")
    TOUR.run(*keystore)
    tried = TOUR.ask(*keystore)
    check(tried["opened"] == 0, "it opens nothing any more")
    print("\nThe certificate, checked where only `cryptography` is installed:")
    bare = str(PLACE / "bare/bin/python")
    verify([bare, "cloister_verify.py", "certificate", "--trust", "lab/lab.pub"])
    TOUR.run("page", subject, "-o", "chain.html")


def check(holds: bool, what: str) -> None:
    """Stops the tour when a claim does not hold."""
    if not holds:
        raise SystemExit(f"FAILED: {what}")
    print(f"  checked: {what}", flush=True)


def verify(words: list[str], expect: int = 0) -> None:
    """The independent verifier, as one would call it."""
    TOUR.show(Path(words[0]).name, *words[1:])
    done = subprocess.run(words, cwd=PLACE, check=False)
    check(done.returncode == expect, f"its exit status is {expect}")


if __name__ == "__main__":
    sys.exit(main())
