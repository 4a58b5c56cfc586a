from __future__ import annotations

import re
from html.parser import HTMLParser

from cloister.proof.chain import Chain, Item, Mark, Stage
from cloister.proof.page import render_chain

CHAIN = Chain(
    "What became of sub_a",
    (("lab", "lab_a"), ("ledger", "<12> entries")),
    (
        Stage("Patient", ("key",), (Item("sub_a", ("destroyed",), (), Mark.ERASED),)),
        Stage(
            "Records",
            ("kind",),
            (Item("rec_a", ("file",), ("sub_a",)), Item("rec_b", ("file",), ("sub_a",))),
            more=1234,
        ),
        Stage("Labels", ("schema",), ()),
        Stage("Models", ("sha256",), (Item("m&<b>.onnx", ('"x"',), ("rec_a", "run_gone")),)),
    ),
)


class Reader(HTMLParser):
    """Collects what a browser would act upon, and whether tags match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_page_needs_nothing_from_outside_and_runs_nothing() -> None:
    page = render_chain(CHAIN)
    reader = read(page)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert "default-src 'none'" in page
    for name, value in reader.attributes:
        assert name != "src"
        assert not name.startswith("on")
        assert name != "href" or (value or "").startswith("#n")
    assert not re.search(r"https?:|url\(|@import", page)


def test_every_item_is_shown_and_linked_to_what_it_was_made_from() -> None:
    reader = read(render_chain(CHAIN))
    text = "".join(reader.words)
    for word in ("sub_a", "rec_a", "rec_b", "m&<b>.onnx", '"x"', "<12> entries", "erased"):
        assert word in text
    assert "and 1,234 more" in text
    ids = {value for name, value in reader.attributes if name == "id"}
    links = [value for name, value in reader.attributes if name == "href"]
    assert links == ["#n0", "#n0", "#n1"]
    assert ids == {"n0", "n1", "n2", "n3"}
    assert "run_gone" in text


def test_stage_without_items_says_so() -> None:
    assert "<h2>Labels<small>0</small></h2>" in render_chain(CHAIN)
    assert "<p>none</p>" in render_chain(CHAIN)
