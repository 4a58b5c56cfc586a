"""The main job by clicks: from a folder of pictures to the record of one patient's erasure."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.conftest import HERE, Visit
from tests.console.content import pictures
from tests.console.site import PASSWORD, Member, Seen, Site, accessible, look, settled
from tests.console.test_upload import SLOWLY, choose

RUN = re.compile("/runs/(run_[a-z2-7]+)")


@dataclass
class Walk:
    """One who walks through the console: a page, and what it led past."""

    site: Site
    visit: Visit
    page: Page
    place: Path
    """Where what is downloaded lies."""

    def go(self, name: str) -> None:
        """By the navigation."""
        menu = self.page.get_by_role("navigation", name="Pages")
        menu.get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()
        settled(self.page)

    def download(self, link: Locator, name: str) -> Path:
        """What a link gives, unpacked where it is an archive."""
        with self.page.expect_download() as waiting:
            link.click()
        file = self.place / name
        waiting.value.save_as(file)
        with zipfile.ZipFile(file) as archive:
            archive.extractall(self.place / file.stem)
        (found,) = (self.place / file.stem).iterdir()
        return found

    def verify(self, folder: Path) -> str:
        """What the one-file verifier says, which knows the lab's public key alone."""
        public = self.site.shell.home / "cloister-lab/lab.pub"
        command = [sys.executable, "-I", str(self.place / "cloister_verify.py"), str(folder)]
        done = subprocess.run(
            [*command, "--trust", str(public)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def walk(visit: Visit, site: Site, seen: Seen, tmp_path: Path) -> Walk:
    """Somebody with a folder of slides, and a service that may run what lies in another."""
    # What waits in the queue is no run yet; a grave act asks; a second person has to agree.
    seen.forgiven += ("404", "403", "409")
    pictures(tmp_path / "ward", patients=6, each=2, letter="W", seed=9)
    shutil.copy(HERE / "scripts/measure.py", site.shell.folder)
    site.shell("verifier", str(tmp_path / "cloister_verify.py"))
    site.shell("approval", "rule", "--require", "erase")
    return Walk(site, visit, visit("/"), tmp_path)


def test_the_main_job_by_clicks(walk: Walk) -> None:
    look(walk.page, "overview")
    walk.go("Ledger")
    expect(walk.page.get_by_text("UNVERIFIED")).to_be_visible()  # never seen by this browser
    _add(walk)
    _find(walk)
    slow = _run(walk, "python measure.py --data /data/ward --rate 0.2 --pause 0.12")
    _watch(walk)
    run = _run(walk, "python measure.py --data /data/ward --rate 0.4")
    expect(walk.page.get_by_text("finished", exact=True).first).to_be_visible(timeout=120_000)
    assert slow != run
    _compare(walk)
    _reproduce(walk, run)
    _prove(walk, run)
    _erase(walk, run)
    _audit(walk)
    _look_around(walk)


def _add(walk: Walk) -> None:
    """Its tab is closed in the middle; another goes on with what is missing."""
    folder, labels = walk.place / "ward", walk.place / "labels.csv"
    first = walk.page.context.new_page()
    first.add_init_script(SLOWLY.replace("window.pause = 60", "window.pause = 400"))
    first.goto("/data")
    first.get_by_role("link", name="Add data", exact=True).click()
    first.get_by_label("Dataset").fill("ward")
    choose(first, folder, labels)
    expect(first.get_by_text("6 patients, such as W00; 0 files of nobody")).to_be_visible()
    look(first, "add")
    first.get_by_role("button", name="Send and add").click()
    expect(first.get_by_role("heading", name="Sending")).to_be_visible()
    expect(first.get_by_text(re.compile("[1-9][0-9]* of 13 files"))).to_be_visible()
    first.close()
    page = walk.page
    walk.go("Data")
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_text("only what is missing is sent")).to_be_visible()
    choose(page, folder, labels)
    look(page, "add-again")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("It is added")).to_be_visible(timeout=120_000)
    walk.go("Data")
    look(page, "data")


def _find(walk: Walk) -> None:
    """The version, and what its checks found, with pictures."""
    page = walk.page
    page.get_by_role("link", name="ward", exact=True).click()
    expect(page.get_by_text("12 records of 6 subjects")).to_be_visible()
    expect(page.get_by_text("the same image or file under two patients")).to_be_visible()
    look(page, "version")
    page.get_by_role("button", name="Show which records").click()
    page.get_by_role("button", name="Look at them").first.click()
    shown = page.locator("img[alt^='record rec_']")
    expect(shown).to_have_count(2)
    expect(shown.last).to_have_js_property("naturalWidth", 96)
    look(page, "findings")


def _run(walk: Walk, command: str) -> str:
    """Asks for a run with the form; its page shows."""
    page = walk.page
    walk.go("Runs")
    page.get_by_role("link", name="New run").click()
    page.get_by_label("Command").fill(command)
    page.get_by_label("ward@1").check()
    if "--pause" in command:
        look(page, "new-run")
    page.get_by_role("button", name="Run it").click()
    expect(page).to_have_url(RUN)
    found = RUN.search(page.url)
    assert found is not None
    return found[1]


def _watch(walk: Walk) -> None:
    """The page of a run moves on by itself: from its wait over its curve to its end."""
    page = walk.page
    expect(page.get_by_text("running", exact=True).first).to_be_visible(timeout=120_000)
    page.get_by_role("link", name="Curves").click()
    points = page.get_by_text(re.compile(r"^\d+ points$"))
    expect(points).to_be_visible(timeout=120_000)
    before = int(points.inner_text().split()[0])
    expect(points).not_to_have_text(f"{before} points")
    assert int(points.inner_text().split()[0]) > before
    look(page, "run-live")
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text("step 1: loss")
    page.get_by_role("link", name="About").click()
    expect(page.get_by_text("finished", exact=True).first).to_be_visible(timeout=120_000)
    expect(page.get_by_role("link", name="ward@1")).to_be_visible()


def _compare(walk: Walk) -> None:
    page = walk.page
    walk.go("Runs")
    look(page, "runs")
    boxes = page.get_by_role("checkbox", name=re.compile("^compare"))
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("link", name="Compare 2 runs").click()
    expect(page.get_by_role("heading", name="What made them differ")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    look(page, "compare")


def _reproduce(walk: Walk, run: str) -> None:
    page = walk.page
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Reproduce it").click()
    expect(page.get_by_text("It runs again when its turn has come")).to_be_visible()
    same = page.get_by_text("every output came out with the same bytes")
    expect(same).to_be_visible(timeout=120_000)
    look(page, "run")


def _prove(walk: Walk, run: str) -> None:
    """The run's model, where it comes from, and its bundle checked without the lab."""
    page = walk.page
    walk.go("Models")
    look(page, "models")
    _open_model(page, run)
    expect(page.get_by_text("12 records of 6 subjects")).to_be_visible()
    look(page, "model")
    bundle = walk.download(page.get_by_role("link", name="Download the bundle"), "bundle.zip")
    said = walk.verify(bundle)
    assert said.splitlines()[-1] == "VERIFIED"
    assert "12 records, 6 subjects" in said
    page.get_by_role("link", name="Lineage").click()
    expect(page.locator(".react-flow__node")).not_to_have_count(0)
    look(page, "lineage")


def _open_model(page: Page, run: str) -> None:
    page.get_by_label("Name, digest, run or data").fill(run)
    model = page.get_by_role("link", name=re.compile("^[0-9a-f]{12}$"))
    expect(model).to_have_count(1)
    model.click()


def _erase(walk: Walk, run: str) -> None:
    """Looked at, asked for, agreed to by another person in another browser, carried out."""
    page, admin = walk.page, walk.site.members["admin"]
    walk.go("Erasure")
    page.get_by_label("Patient", exact=True).fill("W04")
    page.get_by_role("button", name="Show what it would touch").click()
    expect(page.get_by_text("2 records, 2 labels")).to_be_visible()
    page.get_by_label("Reason").fill("consent withdrawn")
    look(page, "erase")
    page.get_by_role("button", name="Ask for the erasure").click()
    _in_person(page, admin, page.get_by_text("A second person has to agree", exact=False))
    officer = walk.site.member("the officer", "auditor")
    second = walk.visit("/approvals", officer)
    expect(second.get_by_role("button", name="Agree")).to_be_visible()
    look(second, "approvals")
    accessible(second)
    second.get_by_role("button", name="Agree").click()
    _in_person(second, officer, second.get_by_text("given by the officer"))
    carry = page.get_by_role("button", name="Destroy the keys now")  # at once, elsewhere too
    carry.click()
    _in_person(page, admin, page.get_by_text("records cannot be read by anyone"))
    expect(page.get_by_text("This patient was erased: ledger entry")).to_be_visible()
    look(page, "erased")
    link = page.get_by_role("link", name="Download the certificate")
    assert walk.verify(walk.download(link, "certificate.zip")).endswith("VERIFIED\n")
    walk.go("Models")
    _open_model(page, run)
    expect(page.get_by_text("Weights may remember")).to_be_visible()


def _in_person(page: Page, member: Member, wanted: Locator) -> None:
    """Shows who it is, where the login is older than what was done allows."""
    box = page.get_by_role("dialog", name="Show who you are")
    expect(wanted.or_(box).first).to_be_visible()
    if box.is_visible():
        box.get_by_label("Password").fill(PASSWORD)
        box.get_by_label("Code of your authenticator").fill(member.code())
        box.get_by_role("button", name="It is me").click()
    expect(wanted).to_be_visible()
    (cookie,) = (one for one in page.context.cookies() if one["name"] == "__Host-cloister")
    member.cookie = cookie["value"]


def _audit(walk: Walk) -> None:
    """The browser checks the record against what it saw before all this."""
    page = walk.page
    walk.go("Ledger")
    expect(page.get_by_text("verified", exact=True)).to_be_visible()
    page.get_by_label("Type: run.begun, or run for all of runs").fill("erase.completed")
    expect(page.locator("tbody tr")).to_have_count(1)
    look(page, "ledger")
    page.locator("tbody a").first.click()
    expect(page.get_by_text("checked here")).to_be_visible()
    look(page, "ledger-entry")
    assert walk.site.shell.json("audit")["whole"]


def _look_around(walk: Walk) -> None:
    """What the job does not lead past."""
    page = walk.page
    walk.go("Queue")
    look(page, "queue")
    walk.go("Recovery")
    expect(page.get_by_role("heading", name="Backups")).to_be_visible()
    look(page, "recovery")
    walk.go("People")
    expect(page.get_by_role("cell", name="the officer", exact=True)).to_be_visible()
    look(page, "people")
