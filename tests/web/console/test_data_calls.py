"""Data, lineage, models and erasure through the interface, as the console asks for them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloister.policy import TwoPersons
from cloister.web.people.desk import Desk
from tests.web.people.browser import ORIGIN, Browser, Person, application, desk_of, joined
from tests.workflows.people.conftest import Team, opened_team
from tests.workflows.views.furnished import furnished_lab


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    """A lab of this module's own: somebody is erased in it."""
    with furnished_lab() as shell, opened_team(shell) as made:
        yield made


@pytest.fixture(scope="module")
def desk(team: Team) -> Iterator[Desk]:
    careful = replace(team.lab, two_persons=TwoPersons(frozenset({"erase"})))
    made = desk_of(replace(team, lab=careful))
    yield made
    made.close()


@pytest.fixture(scope="module")
def app(desk: Desk) -> Any:
    return application(desk)


@pytest.fixture(scope="module")
def admin(team: Team, app: Any) -> Person:
    return joined(team, app, "the first", "admin")


@pytest.fixture(scope="module")
def browser(admin: Person) -> Browser:
    return admin.browser


def told(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_data_from_the_list_to_a_picture(browser: Browser) -> None:
    (line,) = told(browser.call("GET", "/data"))["items"]
    assert line["latest"]["records"] == 13
    page = told(browser.call("GET", "/data/scans/1"))
    assert page["version"]["number"] == 1
    assert told(browser.call("GET", "/data/scans/latest"))["version"]["number"] == 2
    first = told(browser.call("GET", "/data/scans/1/records", limit=4))
    assert (len(first["items"]), first["total"]) == (4, 12)
    rest = told(
        browser.call(
            "GET", "/data/scans/1/records", limit=99, after=first["next"], names="true"
        )
    )
    assert (len(rest["items"]), rest["next"]) == (8, None)
    assert all(one["path"] and one["labels"] for one in rest["items"])
    found = told(browser.call("GET", "/data/scans/1/findings/list"))["items"]
    record = next(one for one in found if one["code"] == "D202")["records"][0]
    shown = browser.call("GET", f"/records/{record}/picture")
    assert shown.headers["content-type"] == "image/png"
    assert shown.content.startswith(b"\x89PNG")
    assert "sandbox" in shown.headers["content-security-policy"]
    read = told(browser.call("GET", "/data/scans/1/access", limit=2))
    assert read["items"][0]["purpose"] == "look"
    assert read["items"][0]["who"] == "the first"
    differ = told(browser.call("GET", "/data/scans/diff", older=1, newer=2))
    assert (differ["added"], differ["unchanged"]) == (1, 12)


def test_labels_come_as_a_table_and_make_the_next_version(browser: Browser) -> None:
    table = b"path,second\nP000/0.png,doubtful\nP999/0.png,nobody's\n"
    sent = browser.client.post(
        "/api/1/data/scans/labels", content=table, headers={"origin": ORIGIN}
    )
    done = told(sent)
    assert (done["version"]["number"], done["labels"]) == (3, 1)
    assert done["problems"] == {"unknown-path": 1}
    page = told(browser.call("GET", "/data/scans/3"))
    assert {one["schema"]: one["records"] for one in page["labels"]}["second"] == 1
    assert page["data_class"] == "identifiable"


def test_a_model_its_line_and_its_bundle(browser: Browser) -> None:
    (line,) = told(browser.call("GET", "/models"))["items"]
    card = told(browser.call("GET", f"/models/{line['sha256']}"))
    assert card["made"]["inputs"] == [["scans@1", "", 12, 6]]
    drawn = told(browser.call("GET", f"/lineage/model/{line['sha256']}"))
    assert drawn["focus"] == f"model:{line['sha256']}"
    sent = browser.call("GET", f"/runs/{line['run']}/bundle")
    assert f"bundle-{line['run']}.zip" in sent.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(sent.content)) as archive:
        assert archive.testzip() is None
        assert f"bundle-{line['run']}/manifest.json" in archive.namelist()


def test_an_erasure_waits_for_a_second_person_and_gives_a_certificate(
    team: Team, app: Any, browser: Browser
) -> None:
    who = {"id": "P003", "issuer": "local"}
    subject = told(browser.call("POST", "/subjects/find", **who))["subject"]
    plan = told(browser.call("POST", "/erasures/plan", **who))
    assert (plan["subject"], plan["inventory"]["records"]) == (subject, 2)
    assert (len(plan["models"]), plan["needs_second"]) == (1, True)
    asked = {"id": subject, "issuer": "local", "reason": "consent withdrawn"}
    waiting = told(browser.call("POST", "/erasures", **asked), 409)["error"]
    assert waiting["code"] == "E205"
    second = joined(team, app, "the second", "admin").browser
    (request,) = told(second.call("GET", "/approvals"))["items"]
    told(second.call("POST", f"/approvals/{request['approval']}/give"))
    done = told(browser.call("POST", "/erasures", **asked), 201)
    assert done["inventory"]["records"] == 2
    assert done["probes"][0]["opened"] == 0
    (line,) = told(browser.call("GET", "/erasures"))["items"]
    assert (line["operation"], line["state"]) == (done["operation"], "completed")
    sent = browser.call("GET", f"/erasures/{done['operation']}/certificate")
    with zipfile.ZipFile(io.BytesIO(sent.content)) as archive:
        assert f"erasure-{done['operation']}/manifest.json" in archive.namelist()
    assert told(browser.call("GET", "/models"))["items"][0]["tainted"] == 1
    assert told(browser.call("GET", "/data/scans/1"))["erased"] == 1
    assert browser.call("GET", "/data/scans/1/findings/list").status_code == 410


def test_what_is_not_there_is_not_repeated(browser: Browser) -> None:
    answer = browser.call("POST", "/subjects/find", id="Jane Doe 1950", issuer="local")
    assert answer.status_code == 404
    assert "Jane" not in answer.text
