"""Uploads through the interface: in pieces, with gaps and mistakes, until all is added."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import Tampered
from cloister.core.files import private_folder
from cloister.testing.clock import ManualClock
from cloister.web.people.desk import Desk
from cloister.workflows.uploads.finish import expire
from tests.conftest import Shell, new_lab
from tests.web.people.browser import ORIGIN, Browser, Person, application, desk_of, joined
from tests.workflows.people.conftest import Team, opened_team

CANARY = b"Kanarienvogel, Petra, born 1950"
FILES = {
    f"P{patient}/{number}.txt": CANARY + f" {patient} {number}\n".encode() * (1 + 40 * number)
    for patient in range(7300, 7303)  # of no other test: whose files may lie in /dev/shm
    for number in range(2)
}
LABELS = b"path,finding\n" + b"".join(
    f"{path},{'ill' if path < 'P7301' else 'well'}\n".encode() for path in FILES
)


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with new_lab() as made:
        yield made


@pytest.fixture(scope="module")
def team(shell: Shell) -> Iterator[Team]:
    with opened_team(shell) as made:
        yield made


@pytest.fixture(scope="module")
def desk(team: Team) -> Iterator[Desk]:
    made = desk_of(team)
    yield made
    made.close()


@pytest.fixture(scope="module")
def app(desk: Desk) -> Any:
    return application(desk)


@pytest.fixture(scope="module")
def sender(team: Team, app: Any) -> Person:
    return joined(team, app, "who sends", "engineer")


@pytest.fixture
def browser(sender: Person) -> Browser:
    return sender.browser


def told(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def begun(browser: Browser, name: str, files: dict[str, bytes]) -> str:
    upload: str = told(browser.call("POST", "/uploads", name=name), 201)["upload"]
    sizes = {path: len(content) for path, content in files.items()}
    said = told(browser.call("POST", f"/uploads/{upload}/files", files=sizes))
    assert said == {"first": 0, "count": len(files)}
    return upload


def patch(browser: Browser, upload: str, index: int, offset: int, content: bytes) -> Any:
    headers = {
        "origin": ORIGIN,
        "content-type": "application/offset+octet-stream",
        "upload-offset": str(offset),
        "tus-resumable": "1.0.0",
    }
    place = f"/api/1/uploads/{upload}/files/{index}"
    return browser.client.request("PATCH", place, content=content, headers=headers)


def offset(browser: Browser, upload: str, index: int) -> int:
    found = browser.client.head(f"/api/1/uploads/{upload}/files/{index}")
    assert found.status_code == 204
    return int(found.headers["upload-offset"])


def send_all(browser: Browser, upload: str, files: dict[str, bytes]) -> None:
    for index, content in enumerate(files.values()):
        at = offset(browser, upload, index)
        if at < len(content):
            assert patch(browser, upload, index, at, content[at:]).status_code == 204


def settled(browser: Browser, upload: str) -> Any:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = told(browser.call("GET", f"/uploads/{upload}"))
        if found["state"] != "adding" and found["stage"] is None:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_a_folder_and_its_labels_come_in_pieces_and_become_a_version(
    shell: Shell, browser: Browser
) -> None:
    everything = FILES | {"labels.csv": LABELS}
    upload = begun(browser, "wards", everything)
    first = next(iter(FILES.values()))
    assert offset(browser, upload, 0) == 0
    assert patch(browser, upload, 0, 0, first[:10]).headers["upload-offset"] == "10"
    assert offset(browser, upload, 0) == 10
    assert patch(browser, upload, 0, 0, first).status_code == 409
    assert patch(browser, upload, 0, 10, first[10:] + b"x").status_code == 400
    early = browser.call("POST", f"/uploads/{upload}/add", pattern="^(P[0-9]+)/")
    assert early.status_code == 409
    assert "7 of 7 files are not here yet" in early.text
    send_all(browser, upload, everything)
    nothing_in_plain(shell)
    rows = told(browser.call("GET", f"/uploads/{upload}/files"))["items"]
    assert all(one["received"] == one["size_bytes"] for one in rows)
    rules = {"pattern": "^(P[0-9]+)/", "labels": "labels.csv"}
    told(browser.call("POST", f"/uploads/{upload}/add", **rules), 202)
    assert settled(browser, upload)["number"] == 1
    page = told(browser.call("GET", "/data/wards/1"))
    assert (page["version"]["records"], page["version"]["subjects"]) == (6, 3)
    assert page["labels"] == [{"schema": "finding", "records": 6}]
    assert page["checked"] is not None
    assert not (shell.home / "cloister-lab/uploads" / upload).exists()
    nothing_in_plain(shell)
    shell("get", "wards@1", "-o", "back")
    for path, content in FILES.items():
        assert (shell.folder / "back" / path).read_bytes() == content
    run = shell.json("run", "--data", "wards", "--", "cat", "/data/wards/P7300/0.txt")
    assert run["state"] == "finished"


def nothing_in_plain(shell: Shell) -> None:
    """What came lies nowhere as it came; neither do the names of files.

    Another process looks: SQLite's locks end with any descriptor that this one closes.
    """
    places = [shell.home, *Path("/dev/shm").glob("cloister-job-*")]
    for words in (["grep", "-rlaF", "Kanarienvogel"], ["find", "-name", "*P7301*"]):
        where = [*words[:1], *map(str, places), *words[1:]]
        asked = [*words, *map(str, places)] if words[0] == "grep" else where
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert found.stdout == "", found.stdout


def test_more_of_a_dataset_comes_later(browser: Browser) -> None:
    more = {"P007/0.txt": CANARY}
    upload = begun(browser, "wards", more)
    send_all(browser, upload, more)
    told(browser.call("POST", f"/uploads/{upload}/add", pattern="^(P[0-9]+)/"), 202)
    assert settled(browser, upload)["number"] == 2
    page = told(browser.call("GET", "/data/wards/2"))
    assert (page["version"]["records"], page["version"]["subjects"]) == (7, 4)


def test_a_wrong_column_is_said_and_can_be_said_again(browser: Browser) -> None:
    table = {"t.csv": b"patient,v\nA,1\nB,2\n", "readme.txt": b"nothing\n"}
    upload = begun(browser, "table", table)
    send_all(browser, upload, table)
    wrong = browser.call("POST", f"/uploads/{upload}/add", column="patiend")
    assert wrong.status_code == 400
    assert "patient" in told(wrong, 400)["error"]["hint"]
    told(browser.call("POST", f"/uploads/{upload}/add", column="patient"), 202)
    assert settled(browser, upload)["number"] == 1
    page = told(browser.call("GET", "/data/table/1"))
    assert (page["version"]["subjects"], page["quarantined"]) == (2, 1)


def test_what_cannot_be_added_is_open_again_with_its_reason(browser: Browser) -> None:
    files = {"a/b.txt": b"x", "labels.csv": b"who,what\n1,2\n"}
    upload = begun(browser, "odd", files)
    send_all(browser, upload, files)
    rules = {"pattern": "^(a)/", "labels": "labels.csv"}
    told(browser.call("POST", f"/uploads/{upload}/add", **rules), 202)
    found = settled(browser, upload)
    assert found["state"] == "open"
    assert found["problem"]
    told(browser.call("POST", f"/uploads/{upload}/add", pattern="^(a)/"), 202)
    assert settled(browser, upload)["state"] == "added"


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "a//b", "a/./b", "", "a\0b", "x" * 300, "a/" * 70 + "b"]
)
def test_a_path_that_leaves_its_folder_is_refused(browser: Browser, path: str) -> None:
    upload = told(browser.call("POST", "/uploads", name="paths"), 201)["upload"]
    assert browser.call("POST", f"/uploads/{upload}/files", files={path: 1}).status_code == 400
    told(browser.call("DELETE", f"/uploads/{upload}"), 204)
    assert told(browser.call("GET", f"/uploads/{upload}"))["state"] == "withdrawn"


def test_another_members_upload_is_not_there(team: Team, app: Any, browser: Browser) -> None:
    upload = begun(browser, "mine", {"a.txt": b"x"})
    other = joined(team, app, "somebody else", "engineer").browser
    assert told(other.call("GET", "/uploads"))["items"] == []
    for method, path, fields in (
        ("GET", "", {}),
        ("GET", "/files", {}),
        ("POST", "/files", {"files": {"b.txt": 1}}),
        ("POST", "/add", {}),
    ):
        answer = other.call(method, f"/uploads/{upload}{path}", **fields)
        assert answer.status_code == 404, (method, path)
    assert patch(other, upload, 0, 0, b"x").status_code == 404
    assert offset(browser, upload, 0) == 0


def test_pieces_that_changed_places_are_noticed(
    shell: Shell, team: Team, browser: Browser
) -> None:
    files = {"P001/a.txt": b"of the first", "P002/a.txt": b"of the other"}
    upload = begun(browser, "swapped", files)
    send_all(browser, upload, files)
    folder = shell.home / "cloister-lab/uploads" / upload
    (one,), (other,) = (list((folder / name).iterdir()) for name in ("0", "1"))
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)
    told(browser.call("POST", f"/uploads/{upload}/add", pattern="^(P[0-9]+)/"), 202)
    end = time.monotonic() + 120
    while (found := told(browser.call("GET", f"/uploads/{upload}")))["problem"] is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert found["problem"] == "a piece of an upload stands in another's place"
    assert browser.call("GET", "/data/swapped/1").status_code == 404
    assert Tampered.code == "E501"


def test_what_nobody_sends_more_of_goes_after_a_week(
    shell: Shell, team: Team, browser: Browser
) -> None:
    from dataclasses import replace

    upload = begun(browser, "left", {"a.txt": b"x" * 10})
    patch(browser, upload, 0, 0, b"x")
    soon = replace(team.lab, clock=ManualClock(datetime.now(UTC) + timedelta(days=6)))
    assert upload not in expire(soon)
    late = replace(team.lab, clock=ManualClock(datetime.now(UTC) + timedelta(days=8)))
    assert upload in expire(late)
    assert not (shell.home / "cloister-lab/uploads" / upload).exists()
    assert told(browser.call("GET", f"/uploads/{upload}"))["state"] == "expired"
    assert patch(browser, upload, 0, 1, b"x").status_code == 409


def test_an_erasure_destroys_the_keys_of_uploads_that_ended(
    shell: Shell, team: Team, browser: Browser
) -> None:
    from cloister.core.values import KeyRef
    from cloister.datasets import uploads
    from cloister.keys.values import GrantRequest

    files = {"P055/a.txt": CANARY}
    upload = begun(browser, "short", files)
    send_all(browser, upload, files)
    told(browser.call("POST", f"/uploads/{upload}/add", pattern="^(P[0-9]+)/"), 202)
    assert settled(browser, upload)["state"] == "added"
    ended = team.lab.read(uploads.spent)
    assert ended
    kept = team.lab.keys.grants([GrantRequest(ended[0])])[0].key
    shell("erase", "-", "--reason", "withdrawn", "--yes", typed="P055\n")
    ref = KeyRef(kept.owner, kept.seal_id, kept.wrap)
    assert team.lab.keys.open([ref]) == [None]
    assert team.lab.read(uploads.spent) == []


def test_the_lab_is_whole_after_all_that(team: Team) -> None:
    assert team.whole()
    assert private_folder(team.lab.folder / "uploads").stat().st_mode & 0o77 == 0
    assert os.listdir(team.lab.folder / "uploads") is not None
