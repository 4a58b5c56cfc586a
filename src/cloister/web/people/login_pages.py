"""Logging in, out, and for the first time."""

from __future__ import annotations

import json

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.identity.people import token_digest
from cloister.web.people import cookies
from cloister.web.people.asking import Answer, Ask, goto
from cloister.web.people.desk import Challenge, Desk, Page
from cloister.web.people.gate import Guest, local
from cloister.web.people.html import Html, field, form, h, hidden, page, tag
from cloister.workflows.people import elsewhere, invitations, login, passkeys, sessions
from cloister.workflows.people.credentials import New
from cloister.workflows.people.sessions import Opened, Shown

LOGIN = "login"


def login_page(desk: Desk, guest: Guest, ask: Ask, said: str | None = None) -> Answer:
    """The ways in."""
    onward = local(ask.query.get("next") or ask.form("next"))
    if guest.session is not None and said is None:
        return goto(onward)
    body = h(
        tag("div", password_form("/login", onward, "Log in"), class_="card"),
        tag("p", "or", class_="or"),
        passkey_button("/login/passkey", "Use a passkey", onward),
        provider_link(desk, f"/login/oidc?next={onward}"),
    )
    text = page("Log in", tag("div", body, class_="narrow"), said=said)
    return Answer(text, 200 if said is None else 403)


def log_in(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """By password and code."""
    try:
        shown = login.show_password(desk.lab, desk.throttle, typed(ask, ask.form("name")))
        return entered(desk, guest, shown, ask.form("next"))
    except NotAllowed as error:
        return login_page(desk, guest, ask, f"The {error.message}.")


def passkey_options(desk: Desk, _guest: Guest, ask: Ask) -> Answer:
    """A challenge for a passkey."""
    return challenge(desk, ask, LOGIN)


def log_in_with_passkey(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """By a passkey."""
    return done(entered(desk, guest, shown_passkey(desk, ask, LOGIN), ask.form("next")))


def log_out(_desk: Desk, guest: Guest, _ask: Ask) -> Answer:
    """The end of this session."""
    if guest.session is not None:
        sessions.close_session(guest.lab, guest.session.session)
    return goto("/login", cookies.no_session())


def join_page(desk: Desk, _guest: Guest, ask: Ask, said: str | None = None) -> Answer:
    """The first login."""
    secret = ask.named["secret"]
    member = invitations.invited(desk.lab, secret)
    second = desk.enrolments.look(token_digest(secret)) or login.new_secret(desk.lab)
    desk.enrolments.put_as(token_digest(secret), second)
    where = f"/join/{secret}"
    by_password = form(
        where,
        field("Password, at least 12 characters", "password", **_NEW_PASSWORD),
        field("The same again", "again", **_NEW_PASSWORD),
        tag("p", "Add this to your authenticator app, then type the code that it shows:"),
        tag("div", _qr(login.enrolment(desk.lab, second, member.name)), class_="qr"),
        tag("p", "By hand: ", tag("code", second)),
        field("Code", "code", autocomplete="one-time-code", inputmode="numeric"),
        button="Set password and log in",
    )
    body = h(
        tag("p", f"Welcome, {member.name}. You are {member.role} of this lab.", class_="soft"),
        passkey_button(f"{where}/passkey", "Make a passkey on this device", "/", make=True),
        provider_link(desk, f"{where}/oidc"),
        tag("p", "or a password", class_="or"),
        tag("div", by_password, class_="card"),
    )
    text = page("Join", tag("div", body, class_="narrow"), said=said)
    return Answer(text, 200 if said is None else 400)


_NEW_PASSWORD = {"type": "password", "autocomplete": "new-password", "minlength": "12"}


def join(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """By password and second factor."""
    secret = ask.named["secret"]
    second = desk.enrolments.look(token_digest(secret))
    if second is None:
        return join_page(desk, guest, ask, "That took too long; here is a fresh start.")
    if ask.form("password") != ask.form("again"):
        return join_page(desk, guest, ask, "The two passwords differ.")
    try:
        opened = invitations.join_with_password(
            desk.lab, secret, ask.form("password"), second, ask.form("code")
        )
    except BadInput as error:
        said = f"{error.message}. {error.hint or ''}".strip()
        return join_page(desk, guest, ask, said)
    desk.enrolments.take(token_digest(secret))
    return within(desk, guest, opened, "/account")


def join_passkey_options(desk: Desk, _guest: Guest, ask: Ask) -> Answer:
    """What makes a passkey."""
    secret = ask.named["secret"]
    name = invitations.invited(desk.lab, secret).name
    return challenge(desk, ask, f"join {secret}", name)


def join_with_passkey(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """By a passkey made just now."""
    secret = ask.named["secret"]
    value = _challenged(desk, ask, f"join {secret}")
    new = passkeys.checked_new(desk.gate.site(ask), value, ask.form("answer"), "first")
    opened = invitations.join_with(desk.lab, secret, new)
    return done(within(desk, guest, opened, "/account"))


def send_elsewhere(desk: Desk, _guest: Guest, ask: Ask) -> Answer:
    """Off to the provider, to log in there."""
    return sent(desk, ask, LOGIN, local(ask.query.get("next", "/")))


def send_to_join(desk: Desk, _guest: Guest, ask: Ask) -> Answer:
    """Off to the provider, with an invitation."""
    secret = ask.named["secret"]
    invitations.invited(desk.lab, secret)
    return sent(desk, ask, f"join {secret}", "/account")


def back_from_elsewhere(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """Back from the provider."""
    waiting = desk.visits.take(ask.cookies.get(cookies.VISIT, ""))
    if waiting is None or desk.provider is None:
        raise NotAllowed("this answer was not asked for", hint="begin again at the login page")
    identity = desk.provider.receive(waiting, ask.query)
    purpose, _, secret = waiting.purpose.partition(" ")
    if purpose == "join":
        new = elsewhere.new_identity(identity)
        return within(desk, guest, invitations.join_with(desk.lab, secret, new), "/account")
    if purpose == "add":
        elsewhere.add_identity(guest.lab, identity)
        return goto("/account", cookies.no_visit())
    shown = elsewhere.show_elsewhere(desk.lab, identity)
    if purpose == "prove" and guest.session is not None:
        if identity.at is None:
            raise NotAllowed("the provider does not say when you logged in there")
        sessions.prove_session(desk.lab, guest.session, shown)
        return goto(waiting.next, cookies.no_visit())
    return entered(desk, guest, shown, waiting.next)


def sent(desk: Desk, ask: Ask, purpose: str, onward: str) -> Answer:
    """Somebody on the way to the provider, with what they must come back with in a cookie."""
    if desk.provider is None:
        raise NotFound("no OpenID provider is set", hint="see docs/how-to/log-in.md")
    back = f"https://{ask.host}/login/oidc/back"
    address, waiting = desk.provider.send(back, purpose, onward)
    cookie = cookies.visit_cookie(desk.visits.put(waiting))
    return Answer("", 303, location=address, cookies=(cookie,))


def entered(desk: Desk, guest: Guest, shown: Shown, onward: str) -> Answer:
    """Whoever showed who they are, logged in."""
    return within(desk, guest, sessions.open_session(desk.lab, shown), onward)


def within(_desk: Desk, guest: Guest, opened: Opened, onward: str) -> Answer:
    """A session with a cookie of its own; one that was there before ends.

    Never the cookie that came with the request: it may have been planted (fixation).
    """
    if guest.session is not None:
        sessions.close_session(guest.lab, guest.session.session)
    return goto(local(onward), cookies.session_cookie(opened.secret), cookies.no_visit())


def typed(ask: Ask, name: str) -> login.Typed:
    """What stands in a login form."""
    return login.Typed(name.strip(), ask.form("password"), ask.form("code"), ask.address)


def challenge(desk: Desk, ask: Ask, purpose: str, name: str | None = None) -> Answer:
    """Options for our script: to make a passkey for ``name``, or to show one."""
    value, site = desk.randomness(32), desk.gate.site(ask)
    options = (
        passkeys.request_options(site, value)
        if name is None
        else passkeys.creation_options(desk.lab, site, name, value)
    )
    waiting = desk.challenges.put(Challenge(purpose, value))
    return said_json({"options": json.loads(options), "challenge": waiting})


def shown_passkey(desk: Desk, ask: Ask, purpose: str) -> Shown:
    """Whom the answer of a passkey shows."""
    value = _challenged(desk, ask, purpose)
    site, lab = desk.gate.site(ask), desk.lab
    return passkeys.show_passkey(
        lab, desk.throttle, site, value, ask.form("answer"), ask.address
    )


def new_passkey(desk: Desk, ask: Ask, purpose: str, label: str) -> New:
    """The passkey that a browser made for ``purpose``."""
    value = _challenged(desk, ask, purpose)
    return passkeys.checked_new(desk.gate.site(ask), value, ask.form("answer"), label)


def _challenged(desk: Desk, ask: Ask, purpose: str) -> bytes:
    found = desk.challenges.take(ask.form("challenge"))
    if found is None or found.purpose != purpose:
        raise NotAllowed("this took too long", hint="try again")
    return found.value


def done(answer: Answer) -> Answer:
    """The same for our script, which goes there itself."""
    onward = {"next": answer.location}
    return Answer(json.dumps(onward), 200, "application/json", None, answer.cookies)


def said_json(value: object) -> Answer:
    """An answer for our script."""
    return Answer(json.dumps(value), 200, "application/json")


def password_form(action: str, onward: str, button: str, name: str | None = None) -> Html:
    """Name, password, code; without the name where it is known."""
    return form(
        action,
        field("Name", "name", autocomplete="username", autofocus=True) if name is None else h(),
        field("Password", "password", type="password", autocomplete="current-password"),
        field("Code", "code", autocomplete="one-time-code", inputmode="numeric"),
        hidden("next", onward),
        button=button,
    )


def passkey_button(path: str, text: str, onward: str, *, make: bool = False) -> Html:
    """A button for our script; hidden where the browser has no passkeys."""
    given: dict[str, str | bool | None] = {
        "data_passkey": path,
        "data_next": onward,
        "data_make": "yes" if make else None,
    }
    button = tag("button", text, type="button", class_="plain", hidden=True, **given)
    return tag("p", button, " ", tag("span", id="passkey-said", role="status"))


def provider_link(desk: Desk, path: str) -> Html:
    """The way over the provider, where there is one."""
    if desk.provider is None:
        return h()
    return tag("p", tag("a", f"Continue with {desk.provider.settings.name}", href=path))


def _qr(text: str) -> Html:
    import segno

    drawn: str = segno.make(text, error="m").svg_inline(scale=4, border=0, omitsize=True)
    return Html(drawn)


PAGES = (
    Page("GET", "/login", login_page, open=True),
    Page("POST", "/login", log_in, open=True, fields=("name", "password", "code", "next")),
    Page("POST", "/login/passkey/options", passkey_options, open=True, json=True),
    Page(
        "POST",
        "/login/passkey",
        log_in_with_passkey,
        open=True,
        json=True,
        fields=("answer", "challenge", "next"),
    ),
    Page("GET", "/login/oidc", send_elsewhere, open=True),
    Page("GET", "/login/oidc/back", back_from_elsewhere, open=True),
    Page("POST", "/logout", log_out, open=True),
    Page("GET", "/join/{secret}", join_page, open=True),
    Page("POST", "/join/{secret}", join, open=True, fields=("password", "again", "code")),
    Page("POST", "/join/{secret}/passkey/options", join_passkey_options, open=True, json=True),
    Page(
        "POST",
        "/join/{secret}/passkey",
        join_with_passkey,
        open=True,
        json=True,
        fields=("answer", "challenge"),
    ),
    Page("GET", "/join/{secret}/oidc", send_to_join, open=True),
)
