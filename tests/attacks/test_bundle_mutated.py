"""Claim: no byte of a bundle can change and leave it VERIFIED with another content."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proof.small_erasure import SmallErasure
from tests.proof.small_lab import SmallLab, plaintext_of
from tests.proof.verifying import Delivered, Verdict, deliver

EXAMPLES = settings(max_examples=300)


class Original:
    """One bundle, and a folder in which to break copies of it."""

    def __init__(self, delivered: Delivered, home: Path) -> None:
        self.delivered = delivered
        self.verdict: Verdict = delivered.judge()
        assert self.verdict.verified, self.verdict.reason
        root = delivered.folder
        files = (file for file in root.rglob("*") if file.is_file())
        self.paths = sorted(str(file.relative_to(root)) for file in files)
        self.broken = Delivered(home / "broken", delivered.trust)

    def content(self, path: str) -> bytes:
        return (self.delivered.folder / path).read_bytes()

    def judge_with(self, path: str, content: bytes, *, repair: bool) -> Verdict:
        shutil.rmtree(self.broken.folder, ignore_errors=True)
        shutil.copytree(self.delivered.folder, self.broken.folder)
        (self.broken.folder / path).write_bytes(content)
        if repair:
            self.broken.relist()
        return self.broken.judge()


@pytest.fixture(scope="module", params=["model", "erasure"])
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Original:
    home = tmp_path_factory.mktemp("bundles")
    lab = SmallLab()
    if request.param == "erasure":
        return Original(deliver(home, lab, SmallErasure(lab).parts()), home)
    record = next(name for name in lab.openings if name.startswith("rec_"))
    parts = lab.parts()
    shown = [*parts.disclosures, lab.disclose(record, plaintext_of(0))]
    return Original(deliver(home, lab, lab.parts(disclosures=shown)), home)


@st.composite
def edits(draw: st.DrawFn, content: bytes) -> bytes:
    """One flipped, removed, added, doubled or moved stretch of bytes."""
    kind = draw(st.sampled_from(["flip", "cut", "insert", "double", "swap"]))
    place = draw(st.integers(0, max(len(content) - 1, 0)))
    length = draw(st.integers(1, 80))
    piece = content[place : place + length]
    if kind == "flip":
        mask = draw(st.integers(1, 255))
        return content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]
    if kind == "cut":
        return content[:place] + content[place + length :]
    if kind == "insert":
        return content[:place] + draw(st.binary(min_size=1, max_size=8)) + content[place:]
    if kind == "double":
        return content[:place] + piece + content[place:]
    other = draw(st.integers(0, max(len(content) - 1, 0)))
    low, high = sorted([place, other])
    swapped = content[low : low + length], content[high : high + length]
    return (
        content[:low]
        + swapped[1]
        + content[low + length : high]
        + swapped[0]
        + content[high + length :]
    )


@EXAMPLES
@given(data=st.data())
def test_changed_byte_is_refused(original: Original, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(original.paths))
    content = original.content(path)
    changed = data.draw(edits(content))
    if changed != content:
        verdict = original.judge_with(path, changed, repair=False)
        assert verdict.refused, (path, verdict)


@EXAMPLES
@given(data=st.data())
def test_changed_byte_with_a_repaired_manifest_is_refused_or_means_the_same(
    original: Original, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from([p for p in original.paths if p != "manifest.json"]))
    content = original.content(path)
    changed = data.draw(edits(content))
    if changed == content:
        return
    verdict = original.judge_with(path, changed, repair=True)
    if verdict.verified:  # nothing today; were a format to allow it, the report must not change
        assert verdict == original.verdict, path
    else:
        assert verdict.refused, (path, verdict)


@EXAMPLES
@given(data=st.data())
def test_lines_of_one_file_in_anothers_place_are_refused(
    original: Original, data: st.DataObject
) -> None:
    lines = [p for p in original.paths if p.endswith(".jsonl")]
    path = data.draw(st.sampled_from(lines))
    pool = [line for name in lines for line in original.content(name).splitlines(keepends=True)]
    kept = original.content(path).splitlines(keepends=True)
    place = data.draw(st.integers(0, len(kept) - 1))
    kept[place] = data.draw(st.sampled_from(pool))
    if b"".join(kept) != original.content(path):
        assert original.judge_with(path, b"".join(kept), repair=True).refused
