"""Claim: nobody gets into somebody else's account, or makes their browser act for them.

Guessing, replaying, planting, cloning, forging, listing accounts: each is really tried, against
the pages as they are served.
"""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloister.core.events import Transaction
from cloister.identity import tries
from cloister.policy import Action
from cloister.workflows.people.invitations import invite
from cloister.workflows.people.members import change_member, list_members, remove_member
from cloister.workflows.people.sessions import actor_of_session
from tests.web.people.browser import (
    HOST,
    ORIGIN,
    PASSWORD,
    Authenticator,
    Browser,
    Person,
    application,
    by_passkey,
    desk_of,
    joined,
    with_passkey,
)
from tests.workflows.people.conftest import Team


@pytest.fixture
def app(team: Team) -> Any:
    return application(desk_of(team))


WRONG = "name, password or code is wrong"


def test_password_and_code_are_both_needed(team: Team, app: Any) -> None:
    ada = joined(team, app, "ada", "engineer")
    stranger = Browser(app)
    tries = [
        {"name": "ada", "password": "something else!", "code": ada.code()},
        {"name": "ada", "password": PASSWORD, "code": "000000"},
        {"name": "ada", "password": PASSWORD, "code": ""},
        {"name": "nobody", "password": PASSWORD, "code": ada.code()},
    ]
    answers = [stranger.post("/login", **one) for one in tries]
    assert {answer.status_code for answer in answers} == {403}
    assert {WRONG in answer.text for answer in answers} == {True}
    assert len({answer.text for answer in answers}) == 1  # nothing tells which was wrong
    assert stranger.cookie is None
    assert ada.log_in(stranger).status_code == 303


def test_a_code_is_good_once(team: Team, app: Any) -> None:
    eve, victim = Browser(app), joined(team, app, "vic", "engineer")
    code = victim.code()
    one = {"name": "vic", "password": PASSWORD, "code": code}
    assert Browser(app).post("/login", **one).status_code == 303
    assert eve.post("/login", **one).status_code == 403
    team.clock.advance(timedelta(seconds=30))  # its window is open still
    assert eve.post("/login", **one).status_code == 403


def test_two_who_show_the_same_code_at_once_are_one(team: Team, app: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    race = joined(team, app, "race", "engineer")
    one = {"name": "race", "password": PASSWORD, "code": race.code()}
    with ThreadPoolExecutor(4) as threads:
        answers = list(
            threads.map(lambda n: Browser(app, f"10.1.0.{n}").post("/login", **one), range(4))
        )
    assert sorted(answer.status_code for answer in answers) == [303, 403, 403, 403]


def test_accounts_cannot_be_told_by_time(team: Team, app: Any) -> None:
    joined(team, app, "timed", "engineer")

    def took(name: str, number: int) -> float:
        browser = Browser(app, f"10.2.0.{number}")
        began = time.perf_counter()
        browser.post("/login", name=name, password="wrong password", code="123456")
        return time.perf_counter() - began

    pairs = [(took("timed", n), took("untimed", n)) for n in range(7)]
    there, absent = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert min(there, absent) > 0.5 * max(there, absent)
    assert min(there, absent) > 0.03  # the slow hash was computed for both


def test_guessing_is_slowed_down_and_others_are_not(team: Team, app: Any) -> None:
    slow = joined(team, app, "slow", "engineer")
    guesser = Browser(app, "10.3.0.1")
    statuses = [
        guesser.post("/login", name="SLOW", password=f"guess number {n}", code="1").status_code
        for n in range(8)
    ]
    assert statuses == [403] * 6 + [429] * 2
    there = guesser.post("/login", name="slow", password=PASSWORD, code=slow.code())
    assert there.status_code == 429  # even the right one, from there
    assert slow.log_in(Browser(app, "10.3.0.2")).status_code == 303
    team.clock.advance(timedelta(minutes=16))
    assert slow.log_in(guesser).status_code == 303


def test_a_restart_of_the_server_forgives_no_guess(team: Team, app: Any) -> None:
    again = joined(team, app, "again", "engineer")

    def guess(asked: Any, number: int) -> int:
        wrong = {"name": "again", "password": f"guess number {number}", "code": "1"}
        return Browser(asked, "10.3.1.1").post("/login", **wrong).status_code

    statuses = [guess(app, n) for n in range(4)]
    restarted = application(desk_of(team))
    statuses += [guess(restarted, n) for n in range(4)]
    assert statuses == [403] * 6 + [429] * 2
    elsewhere = Browser(restarted, "10.3.1.2")
    assert again.log_in(elsewhere).status_code == 303
    team.clock.advance(timedelta(minutes=16))
    assert guess(application(desk_of(team)), 9) == 403


def test_counted_guesses_are_few_name_nobody_and_go(team: Team, app: Any) -> None:
    for number in range(3):
        browser = Browser(app, f"10.3.2.{number}")
        browser.post("/login", name=f"counted{number}", password="guess", code="1")

    def counted(tx: Transaction) -> str:
        return repr(tx.query("SELECT * FROM login_try"))

    said = team.lab.read(counted)
    assert said.count("\n") == 0
    assert said.count("(") > 6
    assert "counted" not in said
    assert "10.3.2" not in said
    team.lab.database.write(lambda tx: tries.forget(tx, 0, 5))
    assert team.lab.read(counted).count("'") == 5 * 4
    late = int(team.lab.clock.now().timestamp() * 1000) + 10**9
    team.lab.database.write(lambda tx: tries.forget(tx, late, 5))
    assert team.lab.read(counted) == "[]"


def test_names_that_are_nobodys_are_slowed_down_alike(team: Team, app: Any) -> None:
    guesser = Browser(app, "10.4.0.1")
    statuses = [
        guesser.post("/login", name="phantom", password="guess", code="1").status_code
        for _ in range(7)
    ]
    assert statuses == [403] * 6 + [429]


def test_a_planted_session_is_not_taken_over(team: Team, app: Any) -> None:
    mallory, victim = joined(team, app, "mal", "engineer"), joined(team, app, "fix", "engineer")
    planted = mallory.browser.cookie
    assert planted is not None
    shared = Browser(app)
    shared.client.cookies.set("__Host-cloister", planted, domain="localhost.local")
    assert "mal" in shared.get("/account").text
    assert victim.log_in(shared).status_code == 303
    assert shared.cookie != planted
    assert mallory.browser.get("/account").status_code == 303  # it ended with the login
    made_up = Browser(app)
    made_up.client.cookies.set("__Host-cloister", "x" * 48, domain="localhost.local")
    victim.log_in(made_up)
    assert actor_of_session(team.lab, "x" * 48) is None


COOKIE = re.compile(r"__Host-cloister=clo_[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Lax")


def test_the_cookie_is_for_this_host_and_no_script(team: Team, app: Any) -> None:
    person = joined(team, app, "cook", "engineer")
    header = person.log_in(Browser(app)).headers.get_list("set-cookie")[0]
    assert COOKIE.fullmatch(header)
    assert "domain" not in header.lower()


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", f"http://{HOST}", "https://localhost"]
)
def test_another_sites_page_does_nothing(team: Team, app: Any, origin: str | None) -> None:
    person = joined(team, app, f"csrf {origin}"[:24].replace(":", "").replace("/", ""), "admin")
    before = len(list_members(team.lab))
    call = person.browser.call("POST", "/people", origin, name="planted", role="admin")
    assert call.status_code == 403
    for path, fields in (
        ("/account/tokens", {"purpose": "planted", "days": "1"}),
        ("/logout", {}),
        ("/login", {"name": "x", "password": "y", "code": "z"}),
    ):
        answer = person.browser.post(path, origin=origin, **fields)
        assert answer.status_code == 403, path
    assert len(list_members(team.lab)) == before
    assert person.browser.get("/account").status_code == 200


def test_another_name_for_the_lab_is_not_answered(team: Team, app: Any) -> None:
    browser = Browser(app)
    for host in ("evil.example", "evil.example:8443", "localhost.evil.example"):
        assert browser.get("/login", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%2f/evil.example",
        "/login/../../x",
        "javascript:alert(1)",
        "/a\r\nset-cookie: x=y",
    ],
)
def test_nobody_is_sent_to_another_site(team: Team, app: Any, target: str) -> None:
    name = f"open {abs(hash(target)) % 10**9}"
    person = joined(team, app, name, "engineer")
    page = Browser(app).get("/login", params={"next": target})
    assert 'name="next" value="/"' in page.text
    answer = Browser(app).post(
        "/login", name=name, password=PASSWORD, code=person.code(), next=target
    )
    assert answer.headers["location"] == "/"
    assert person.browser.get("/login", params={"next": target}).headers["location"] == "/"


def test_every_page_forbids_what_a_planted_script_would_need(team: Team, app: Any) -> None:
    person = joined(team, app, "strict", "admin")
    for path in (
        "/login",
        "/account",
        "/join/x",
        "/static/passkey.js",
        *("/", "/people", "/runs/run_x", "/console/theme.js"),
    ):
        headers = person.browser.get(path).headers
        policy = headers["content-security-policy"]
        console = path in {"/", "/people", "/runs/run_x", "/console/theme.js"}
        assert ("default-src 'self'" if console else "default-src 'none'") in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["referrer-policy"] == "same-origin"


def test_what_people_type_is_text_on_every_page(team: Team, app: Any) -> None:
    admin = joined(team, app, "escaper", "admin")
    admin.browser.post("/account/tokens", purpose="<script>alert(1)</script>", days="1")
    page = admin.browser.get("/account").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_session_ends_by_time_by_closing_and_with_its_person(team: Team, app: Any) -> None:
    person = joined(team, app, "ends", "engineer")
    closing, timed = Browser(app), Browser(app)
    person.log_in(closing)
    kept = closing.cookie
    assert kept is not None
    assert closing.post("/logout").status_code == 303
    assert actor_of_session(team.lab, kept) is None
    person.log_in(timed)
    assert timed.cookie is not None
    team.clock.advance(timedelta(hours=12))
    assert actor_of_session(team.lab, timed.cookie) is None
    last = Browser(app)
    person.log_in(last)
    assert last.cookie is not None
    remove_member(team.lab, "ends")
    assert actor_of_session(team.lab, last.cookie) is None
    assert last.get("/account").headers["location"].startswith("/login")
    assert person.log_in(Browser(app)).status_code == 403


def test_a_role_that_was_taken_away_is_gone_at_the_next_request(team: Team, app: Any) -> None:
    person = joined(team, app, "demoted", "admin")
    change_member(team.lab, "demoted", "engineer")
    answer = person.browser.call("POST", "/people", name="friend", role="admin")
    assert answer.status_code == 403


@pytest.mark.parametrize("role", ["engineer", "researcher", "annotator", "auditor", "site"])
def test_nobody_makes_themselves_an_admin(team: Team, app: Any, role: str) -> None:
    person = joined(team, app, f"climbs {role}", role)
    me = re.search(r"per_[a-z2-7]{16}", str(team.again(f"climbs {role}").actor.person))
    assert me is not None
    climb = person.browser.call
    for answer in (
        climb("POST", "/people", name="friend", role="admin"),
        climb("PATCH", f"/people/{me[0]}", role="admin"),
        climb("POST", f"/people/{me[0]}/invite"),
        climb("DELETE", f"/people/{me[0]}"),
    ):
        assert answer.status_code == 403, answer.text
    answer = person.browser.post(
        "/account/tokens", purpose="x", days="9", role="admin", scope="people"
    )
    assert answer.status_code == 400
    assert team.again(f"climbs {role}").actor.role == role


def test_a_session_left_open_does_nothing_grave(team: Team, app: Any) -> None:
    admin = joined(team, app, "left", "admin")
    team.clock.advance(timedelta(minutes=6))
    grave = [
        ("/account/tokens", {"purpose": "planted", "days": "1"}),
        ("/account/password", {"password": "another good one", "again": "another good one"}),
    ]
    for path, fields in grave:
        answer = admin.browser.post(path, **fields)
        assert answer.status_code == 403, path
        assert "/account/prove" in answer.text
    call = admin.browser.call
    for answer in (
        call("POST", "/people", name="planted", role="admin"),
        call("POST", "/approvals/apr_aaaaaaaaaaaaaaaa/give"),
    ):
        assert answer.status_code == 403
        assert answer.json()["error"]["prove"] == "/account/prove"
    assert admin.browser.get("/account").status_code == 200
    assert admin.prove().status_code == 303
    assert call("POST", "/people", name="welcome", role="site").status_code == 201


def test_somebody_else_does_not_prove_who_one_is(team: Team, app: Any) -> None:
    victim, other = joined(team, app, "prey", "admin"), joined(team, app, "other", "engineer")
    device = with_passkey(other)
    team.clock.advance(timedelta(minutes=6))
    asked = victim.browser.post("/account/prove/passkey/options").json()
    answer = victim.browser.post(
        "/account/prove/passkey",
        answer=device.get(asked["options"]),
        challenge=asked["challenge"],
    )
    assert answer.status_code == 403
    answer = victim.browser.post("/account/prove", password=PASSWORD, code=other.code())
    assert answer.status_code == 403


def test_an_invitation_is_good_once_for_one_and_not_for_long(team: Team, app: Any) -> None:
    team.member("guest", "engineer")
    first, second = invite(team.lab, "guest"), invite(team.lab, "guest")
    browser = Browser(app)
    assert browser.get(first.path).status_code == 404  # a fresh one takes its place
    assert browser.get(second.path).status_code == 200
    team.clock.advance(timedelta(days=3))
    assert browser.get(second.path).status_code == 404
    spent = joined(team, app, "spender", "engineer")
    path = invite(team.lab, "spender").path
    found = re.search(r"<code>([A-Z2-7]{32})</code>", browser.get(path).text)
    assert found is not None
    again = Person(team, "spender", browser, found[1])
    fields = {"password": "five calm herons", "again": "five calm herons"}
    assert browser.post(path, **fields, code=again.code()).status_code == 303
    assert browser.post(path, **fields, code=again.code()).status_code == 404
    assert spent.browser.get("/account").status_code == 303  # and what was before has ended
    assert spent.log_in(Browser(app)).status_code == 403


def test_an_invitation_of_who_was_removed_is_void(team: Team, app: Any) -> None:
    team.member("brief", "engineer")
    path = invite(team.lab, "brief").path
    remove_member(team.lab, "brief")
    assert Browser(app).get(path).status_code == 404


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaaa", "passwordpassword", "weakling weakling", "x" * 300],
)
def test_a_password_that_others_try_first_is_not_taken(
    team: Team, app: Any, password: str
) -> None:
    name = f"weakling {abs(hash(password)) % 10**9}"
    team.member(name, "engineer")
    browser, path = Browser(app), invite(team.lab, name).path
    found = re.search(r"<code>([A-Z2-7]{32})</code>", browser.get(path).text)
    assert found is not None
    code = Person(team, name, browser, found[1]).code()
    if password.startswith("weakling"):
        password = name
    answer = browser.post(path, password=password, again=password, code=code)
    assert answer.status_code == 400
    assert browser.cookie is None


def test_a_passkey_logs_in_and_a_clone_of_it_does_not(team: Team, app: Any) -> None:
    device = with_passkey(joined(team, app, "keyed", "engineer"))
    clone = device.clone()
    browser = Browser(app)
    assert by_passkey(browser, device).status_code == 200
    assert "keyed" in browser.get("/account").text
    eve = Browser(app)
    assert by_passkey(eve, clone).status_code == 403  # its counter has not grown
    assert eve.cookie is None
    assert by_passkey(browser, device).status_code == 200


def test_a_passkey_without_a_counter_works(team: Team, app: Any) -> None:
    person = joined(team, app, "synced", "engineer")
    device = Authenticator(counts=False)
    asked = person.browser.post("/account/passkeys/options").json()
    person.browser.post(
        "/account/passkeys",
        answer=device.create(asked["options"]),
        challenge=asked["challenge"],
    )
    for _ in range(2):
        assert by_passkey(Browser(app), device).status_code == 200


def test_a_forged_answer_of_a_passkey_is_refused(team: Team, app: Any) -> None:
    person = joined(team, app, "forged", "engineer")
    device = with_passkey(person)
    other_key = replace(device, key=Authenticator().key)
    assert by_passkey(Browser(app), other_key).status_code == 403
    assert by_passkey(Browser(app), device, origin="https://evil.example").status_code == 403
    assert by_passkey(Browser(app), device, site="evil.example").status_code == 403
    device.flags = 0x01  # present, but nobody verified
    assert by_passkey(Browser(app), device).status_code == 403
    device.flags = 0x05
    browser = Browser(app)
    asked = browser.post("/login/passkey/options").json()
    answer = device.get(asked["options"])
    fields = {"answer": answer, "challenge": asked["challenge"]}
    assert browser.post("/login/passkey", **fields).status_code == 200
    assert Browser(app).post("/login/passkey", **fields).status_code == 403  # replayed
    for bad in ("", "{}", "[]", '{"rawId": 7}', answer[:-9], "null"):
        asked = browser.post("/login/passkey/options").json()
        done = Browser(app).post("/login/passkey", answer=bad, challenge=asked["challenge"])
        assert done.status_code == 403, bad


def test_a_challenge_of_one_purpose_is_none_of_another(team: Team, app: Any) -> None:
    person = joined(team, app, "mixed", "admin")
    device = with_passkey(person)
    team.clock.advance(timedelta(minutes=6))
    asked = person.browser.post("/login/passkey/options").json()
    answer = person.browser.post(
        "/account/prove/passkey",
        answer=device.get(asked["options"]),
        challenge=asked["challenge"],
    )
    assert answer.status_code == 403


def test_the_lab_holds_no_password_code_secret_or_cookie(team: Team, app: Any) -> None:
    person = joined(team, app, "searched", "engineer")
    device = with_passkey(person)
    person.log_in()
    assert person.browser.cookie is not None
    looked_for = [PASSWORD, person.secret, person.browser.cookie, "$argon2id$"]
    public = device.key.public_key().public_numbers().x.to_bytes(32)
    for path in team.config.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [one for one in looked_for if one.encode() in content], path
            assert public not in content, path


def test_logins_and_refusals_are_on_record_and_replay(team: Team, app: Any) -> None:
    joined(team, app, "recorded", "engineer")
    Browser(app).post("/login", name="recorded", password="wrong", code="1")
    assert team.whole()


def test_oversized_and_odd_requests_are_answered(team: Team, app: Any) -> None:
    browser = Browser(app)
    huge = browser.client.post("/login", content=b"x" * 70_000, headers={"origin": ORIGIN})
    assert huge.status_code == 413
    for body in (b"\xff\xfe=\x00", b"&" * 900, b"name=%ff&name=%fe", b"a=1&" * 300):
        odd = browser.client.post("/login", content=body, headers={"origin": ORIGIN})
        assert odd.status_code in {403, 429}
    cookie = {"cookie": '__Host-cloister="\\000; =;;; $Version'}
    assert browser.get("/account", headers=cookie).status_code == 303


def test_an_approval_is_given_in_the_browser_and_not_by_its_asker(team: Team, app: Any) -> None:
    from cloister.policy import TwoPersons
    from cloister.workflows.people.approvals import list_approvals
    from tests.attacks.test_approvals import WHAT, asked

    admin, officer = (
        joined(team, app, "asks", "admin"),
        joined(team, app, "agrees web", "auditor"),
    )
    rule = TwoPersons(frozenset({str(Action.ERASE)}))
    request = asked(replace(team.again("asks"), two_persons=rule), WHAT | {"reason": "web"})
    admin.prove()
    path = f"/approvals/{request}/give"
    assert admin.browser.call("POST", path).status_code == 403
    officer.prove()
    assert request in officer.browser.call("GET", "/approvals").text
    assert officer.browser.call("POST", path).status_code == 200
    states = {line.approval.approval: line.state for line in list_approvals(team.lab)}
    assert states[request] == "given"
