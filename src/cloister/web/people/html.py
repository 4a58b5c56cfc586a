"""Pages as text: one frame, few parts, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    # Not no-referrer: browsers then hide the Origin of our own forms too (Fetch 3.2).
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "publickey-credentials-get=(self),"
    " publickey-credentials-create=(self)",
    "cache-control": "no-store",
    "strict-transport-security": "max-age=31536000",
}


@dataclass(frozen=True, slots=True)
class Html:
    """Text that is HTML already."""

    text: str


Part = Html | str


def h(*parts: Part) -> Html:
    """Parts one after the other; what is no HTML yet is escaped."""
    return Html("".join(one.text if isinstance(one, Html) else escape(one) for one in parts))


def tag(name: str, /, *parts: Part, **attributes: str | bool | None) -> Html:
    """An element; ``class_`` and ``for_`` for words that Python keeps to itself."""
    opened = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{opened}>{h(*parts).text}</{name}>")


def single(name: str, /, **attributes: str | bool | None) -> Html:
    """An element without an end."""
    made = tag(name, **attributes).text
    return Html(made.removesuffix(f"</{name}>"))


def field(label: str, name: str, **attributes: str | bool | None) -> Html:
    """A labelled input."""
    plain: dict[str, str | bool | None] = {"type": "text", "required": True}
    given = plain | attributes
    return tag("label", tag("span", label), single("input", id=name, name=name, **given))


def form(action: str, *parts: Part, button: str, **attributes: str | bool | None) -> Html:
    """A form that is posted."""
    return tag(
        "form",
        *parts,
        tag("button", button, type="submit"),
        method="post",
        action=action,
        **attributes,
    )


def hidden(name: str, value: str) -> Html:
    """A field that is not shown."""
    return single("input", type="hidden", name=name, value=value)


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[Part]]) -> Html:
    """A table with a caption."""
    head = tag("tr", *(tag("th", one, scope="col") for one in header))
    body = h(*(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body)),
        class_="wide",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def moment(text: str) -> str:
    """A time of the record, to the minute."""
    return f"{text[:10]} {text[11:16]} UTC"


def page(title: str, *parts: Part, name: str | None = None, said: str | None = None) -> str:
    """A whole page; ``name`` is who is logged in, ``said`` what happened just now."""
    links = (("/", "Console"), ("/account", "Account"))
    bar = (
        h()
        if name is None
        else tag(
            "nav",
            *(tag("a", text, href=to) for to, text in links),
            tag("span", name, class_="who"),
            form("/logout", button="Log out"),
            aria_label="Pages",
        )
    )
    note = h() if said is None else tag("p", said, class_="said", role="alert")
    head = h(
        single("meta", charset="utf-8"),
        single("meta", name="viewport", content="width=device-width, initial-scale=1"),
        single("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Cloister"),
        single("link", rel="icon", href="/console/mark.svg", type="image/svg+xml"),
        single("link", rel="stylesheet", href="/static/people.css"),
        tag("script", src="/static/passkey.js", defer=True),
    )
    body = h(
        tag("header", tag("p", "Cloister", class_="brand"), bar),
        tag("main", tag("h1", title), note, *parts),
    )
    whole = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!doctype html>\n{whole.text}\n"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
