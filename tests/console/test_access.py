"""Who sees what, and what lets them in: projects, tokens, sessions, and showing who one is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
from playwright.sync_api import Browser, expect

from cloister.core.clock import SystemClock
from cloister.core.events import Transaction
from cloister.identity import credentials, people
from cloister.identity.credentials import Credential
from cloister.workflows.people import sessions
from cloister.workflows.people.sessions import Shown
from tests.console.conftest import Visit
from tests.console.site import (
    PASSWORD,
    Member,
    Seen,
    Site,
    accessible,
    log_in,
    look,
    opened,
    settled,
)
from tests.web.people.test_browser import AUTHENTICATOR
from tests.workflows.people.conftest import opened_team


def test_a_project_is_made_and_shown_to_a_member(visit: Visit, site: Site) -> None:
    member = site.member("rosa of the ward", "annotator")
    page = visit("/projects")
    expect(page.get_by_role("heading", name="Projects", level=1)).to_be_visible()
    page.get_by_label("Name").fill("knees")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="knees")).to_be_visible()
    other = visit("/projects", member)
    expect(other.get_by_role("heading", name="shared")).to_be_visible()
    expect(other.get_by_role("heading", name="knees")).to_have_count(0)
    expect(other.get_by_label("Name")).to_have_count(0)  # only looks
    adding = page.get_by_role("form", name="Add to knees")
    adding.get_by_label("Add to knees").select_option(label="rosa of the ward (annotator)")
    adding.get_by_role("button", name="Add").click()
    members = page.get_by_role("list", name="Members of knees")
    expect(members.get_by_text("rosa of the ward")).to_be_visible()
    expect(other.get_by_role("heading", name="knees")).to_be_visible()  # at once
    look(page, "projects")
    accessible(page)
    remove = page.get_by_role("button", name="Remove rosa of the ward from knees", exact=True)
    remove.press("Enter")
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    page.keyboard.press("Escape")
    expect(remove).to_be_focused()
    remove.press("Enter")
    page.get_by_role("button", name="Remove rosa of the ward from knees, yes").press("Enter")
    expect(other.get_by_role("heading", name="knees")).to_have_count(0)
    found = {one["name"]: one["members"] for one in site.shell.json("project", "ls")}
    assert found["knees"] == []


def test_what_is_refused_about_a_project_is_said(visit: Visit, seen: Seen) -> None:
    seen.forgiven.append("status of 409")
    page = visit("/projects")
    page.get_by_label("Name").fill("shared")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("There is a project shared")


def test_a_token_is_shown_once_works_and_is_revoked(visit: Visit, site: Site) -> None:
    member = site.member("nils the engineer", "engineer")
    page = visit("/tokens", member)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    expect(page.get_by_text("No token yet")).to_be_visible()
    page.get_by_label("What it is for").fill("the nightly job")
    page.get_by_label("Good for").select_option("7")
    page.get_by_label("list", exact=True).check()
    expect(page.get_by_label("people", exact=True)).to_have_count(0)  # needs a person
    look(page, "tokens-form")
    page.get_by_role("button", name="Issue it").click()
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied.")).to_be_visible()
    secret = page.evaluate("navigator.clipboard.readText()")
    row = page.get_by_role("row").filter(has_text="the nightly job")
    expect(row).to_contain_text("list")
    expect(row).to_contain_text("in 6 days")
    assert standing(site, secret, "/api/1/me") == 200
    assert standing(site, secret, "/api/1/runs/new/log") == 403  # that is read
    look(page, "tokens")
    accessible(page)
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.reload()
    settled(page)
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke the nightly job", exact=True).click()
    page.get_by_role("button", name="Revoke the nightly job, yes").click()
    expect(page.get_by_text("None is good any more")).to_be_visible()
    assert standing(site, secret, "/api/1/me") == 401
    page.get_by_label("Show what is over, too").check()
    expect(page.get_by_role("cell", name="revoked")).to_be_visible()


def standing(site: Site, secret: str, path: str) -> int:
    """What a program with that token is answered with."""
    with site.up.client(secret) as client:
        answer: httpx.Response = client.get(path)
        return answer.status_code


def test_an_admin_closes_somebodys_session_and_nobody_sees_the_others(
    visit: Visit, site: Site, seen: Seen
) -> None:
    seen.forgiven += ["status of 401", "ERR_", "Failed to load resource"]
    member = site.member("otto on a tablet", "annotator")
    theirs = visit("/sessions", member)
    expect(theirs.get_by_text("this browser")).to_be_visible()
    expect(theirs.locator("tbody tr")).to_have_count(1)
    page = visit("/sessions")
    expect(page.get_by_text("this browser")).to_have_count(1)
    row = page.get_by_role("row").filter(has_text="otto on a tablet")
    expect(row).to_have_count(1)
    look(page, "sessions")
    accessible(page)
    row.get_by_role("button").click()
    row.get_by_role("button", name="Close", exact=False).first.click()
    expect(row).to_have_count(0)
    theirs.reload()
    expect(theirs).to_have_url(f"{site.url}/login?next=/sessions")
    page.get_by_role("link", name="your account").click()
    expect(page).to_have_url(f"{site.url}/account")


def test_a_grave_act_asks_who_one_is_and_goes_on(visit: Visit, site: Site, seen: Seen) -> None:
    seen.forgiven += ["status of 403", "status of 401"]
    member = site.member("vera after lunch", "engineer")
    left_open(site, member)
    page = visit("/tokens", member)
    page.get_by_label("What it is for").fill("after lunch")
    page.get_by_role("button", name="Issue it").click()
    box = page.get_by_role("dialog", name="Show who you are")
    expect(box).to_be_visible()
    look(page, "prove")
    accessible(page)
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(page.get_by_role("alert")).to_contain_text("how again who you are")
    assert page.get_by_label("What it is for").input_value() == "after lunch"
    page.get_by_role("button", name="Issue it").click()
    box.get_by_label("Password").fill("a wrong guess")
    box.get_by_label("Code of your authenticator").fill("000000")
    box.get_by_role("button", name="It is me").click()
    expect(box.get_by_role("alert")).to_contain_text("Password or code is wrong")
    look(page, "prove-wrong")
    assert purposes(site, member) == []  # nothing was done meanwhile
    box.get_by_label("Password").fill(PASSWORD)
    box.get_by_label("Code of your authenticator").fill(member.code())
    page.keyboard.press("Enter")
    expect(box).to_have_count(0)
    expect(page.get_by_text("it is shown this once")).to_be_visible()
    assert purposes(site, member) == ["after lunch"]
    page.get_by_role("button", name="Revoke after lunch", exact=True).click()
    page.get_by_role("button", name="Revoke after lunch, yes").click()
    expect(page.get_by_text("None is good any more")).to_be_visible()  # not asked again so soon
    expect(box).to_have_count(0)


def test_a_passkey_shows_who_one_is(browser: Browser, site: Site, seen: Seen) -> None:
    seen.forgiven += ["status of 403", "status of 401"]
    member = site.member("iris with a key", "engineer")
    site = named(site)
    page = opened(browser, site, member, seen)
    page.goto("/account")
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    made = device.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("row").filter(has_text="passkey")).to_be_visible()
    left_open(site, member)
    log_in(page.context, site, member)
    page.goto("/tokens")
    page.get_by_label("What it is for").fill("with a key")
    page.get_by_role("button", name="Issue it").click()
    box = page.get_by_role("dialog", name="Show who you are")
    device.send("WebAuthn.setUserVerified", {**made, "isUserVerified": False})
    box.get_by_role("button", name="Use a passkey").click()
    expect(box.get_by_role("alert")).to_contain_text("No passkey was chosen")
    assert purposes(site, member) == []
    device.send("WebAuthn.setUserVerified", {**made, "isUserVerified": True})
    box.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("it is shown this once")).to_be_visible()
    expect(box).to_have_count(0)
    assert purposes(site, member) == ["with a key"]
    page.context.close()
    seen.check()


def named(site: Site) -> Site:
    """The same by its name: a passkey belongs to a name, never to a bare address."""
    url = site.url.replace("127.0.0.1", "localhost")
    return replace(site, up=replace(site.up, said={**site.up.said, "url": url}))


def left_open(site: Site, member: Member) -> None:
    """Gives ``member`` a session in which they showed who they are ten minutes ago."""
    with opened_team(site.shell, SystemClock()) as team:
        before = team.lab.clock.now() - timedelta(minutes=10)

        def password(tx: Transaction) -> Credential:
            person = people.find(tx, member.name).person
            return credentials.of_person(tx, person, credentials.PASSWORD)[0]

        held = team.lab.read(password)
        shown = Shown(held.person, held.kind, held.credential, 0, before)
        member.cookie = sessions.open_session(team.lab, shown).secret


def purposes(site: Site, member: Member) -> list[str]:
    """What the tokens of ``member`` are for."""
    lines = site.shell.json("token", "ls")
    return [one["purpose"] for one in lines if one["whose"] == member.name]
