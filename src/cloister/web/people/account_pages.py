"""A member's own account: sessions, tokens, ways to log in; showing again who one is."""

from __future__ import annotations

from cloister.core.errors import BadInput
from cloister.identity.credentials import OIDC, PASSKEY
from cloister.policy import GRAVE, ROLES
from cloister.web.people.asking import Answer, Ask, goto
from cloister.web.people.desk import Desk, Page
from cloister.web.people.gate import Guest, local
from cloister.web.people.html import Html, field, form, h, hidden, moment, page, table, tag
from cloister.web.people.login_pages import (
    challenge,
    done,
    new_passkey,
    passkey_button,
    password_form,
    provider_link,
    said_json,
    sent,
    shown_passkey,
    typed,
)
from cloister.workflows.people import credentials, invitations, login, members, sessions, tokens
from cloister.workflows.people.members import MemberLine
from cloister.workflows.people.tokens import Issued

_KINDS = {PASSKEY: "passkey", OIDC: "identity elsewhere"}


def account_page(desk: Desk, guest: Guest, _ask: Ask, issued: Issued | None = None) -> Answer:
    """Everything of one's own."""
    me = own(guest)
    body = h(
        tag("p", f"You are {me.person.name}, {me.person.role}.", class_="soft"),
        _fresh(issued),
        tag("h2", "Sessions"),
        _sessions(guest),
        tag("h2", "Tokens"),
        _tokens(guest, me.person.role),
        tag("h2", "Ways to log in"),
        _ways(desk, guest),
    )
    return Answer(page("Account", body, name=me.person.name))


def prove_page(desk: Desk, guest: Guest, ask: Ask, said: str | None = None) -> Answer:
    """Showing again who one is."""
    onward, me = local(ask.query.get("next", "/account")), own(guest)
    body = h(
        tag("p", "What you are about to do needs you in person.", class_="soft"),
        tag(
            "div",
            password_form("/account/prove", onward, "It is me", me.person.name),
            class_="card",
        ),
        passkey_button("/account/prove/passkey", "Use a passkey", onward),
        provider_link(desk, f"/account/prove/oidc?next={onward}"),
    )
    text = page(
        "Show who you are", tag("div", body, class_="narrow"), name=me.person.name, said=said
    )
    return Answer(text)


def prove(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """By password and code."""
    shown = login.show_password(desk.lab, desk.throttle, typed(ask, own(guest).person.name))
    assert guest.session is not None
    sessions.prove_session(desk.lab, guest.session, shown)
    return goto(local(ask.form("next")))


def prove_options(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """A challenge for a passkey."""
    return challenge(desk, ask, f"prove {guest.lab.actor.via}")


def prove_with_passkey(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """By a passkey."""
    shown = shown_passkey(desk, ask, f"prove {guest.lab.actor.via}")
    assert guest.session is not None
    sessions.prove_session(desk.lab, guest.session, shown)
    return said_json({"next": local(ask.form("next"))})


def prove_elsewhere(desk: Desk, _guest: Guest, ask: Ask) -> Answer:
    """By logging in anew at the provider."""
    return sent(desk, ask, "prove", local(ask.query.get("next", "/account")))


def close(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """One session less."""
    sessions.close_session(guest.lab, ask.form("session"))
    return goto("/account")


def issue(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """A token, shown once."""
    days = ask.form("days")
    if not days.isdecimal() or len(days) > 4:
        raise BadInput("days is a number")
    scopes = frozenset(ask.many("scope")) or None
    made = tokens.issue_token(guest.lab, ask.form("purpose"), scopes, int(days))
    return account_page(desk, guest, ask, made)


def revoke(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """One token less."""
    tokens.revoke_token(guest.lab, ask.form("token"))
    return goto("/account")


def passkey_options(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """What makes a passkey."""
    return challenge(desk, ask, f"add {guest.lab.actor.via}", own(guest).person.name)


def add_passkey(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """One passkey more."""
    from cloister.workflows.people.passkeys import add_passkey as add

    purpose = f"add {guest.lab.actor.via}"
    add(guest.lab, new_passkey(desk, ask, purpose, ask.form("label") or "passkey"))
    return done(goto("/account"))


def add_elsewhere(desk: Desk, _guest: Guest, ask: Ask) -> Answer:
    """One identity elsewhere more."""
    return sent(desk, ask, "add", "/account")


def remove_credential(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """One way in less."""
    credentials.remove_own(guest.lab, ask.form("credential"))
    return goto("/account")


def change_password(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """Another password."""
    if ask.form("password") != ask.form("again"):
        raise BadInput("the two passwords differ")
    invitations.change_password(guest.lab, ask.form("password"))
    return goto("/account")


def own(guest: Guest) -> MemberLine:
    """The member who asks."""
    lines = members.list_members(guest.lab)
    return next(one for one in lines if one.person.person == guest.lab.actor.person)


def _fresh(issued: Issued | None) -> Html:
    if issued is None:
        return h()
    said = "Copy it now: it is shown once."
    return tag("div", tag("p", said), tag("code", issued.secret), class_="card", role="alert")


def _sessions(guest: Guest) -> Html:
    rows = [
        (
            line.whose,
            line.session.how,
            moment(line.session.time),
            moment(line.session.expires),
            "this one"
            if guest.session is not None and line.session.session == guest.session.session
            else _button("/account/sessions", "Close", "session", line.session.session),
        )
        for line in sessions.list_sessions(guest.lab)
    ]
    return table("Open sessions", ("whose", "how", "since", "until", ""), rows)


def _tokens(guest: Guest, role: str) -> Html:
    rows = [
        (
            line.whose,
            line.token.purpose,
            "all" if line.token.scopes is None else ", ".join(sorted(line.token.scopes)),
            line.token.expires[:10],
            _button("/account/tokens/revoke", "Revoke", "token", line.token.token)
            if line.state == "good"
            else line.state,
        )
        for line in tokens.list_tokens(guest.lab)
    ]
    scopes = [
        tag(
            "label",
            Html(f'<input type="checkbox" name="scope" value="{scope}">'),
            tag("span", scope),
            class_="choice",
        )
        for scope in sorted(ROLES[role] - GRAVE)
    ]
    new = form(
        "/account/tokens",
        field("What it is for", "purpose", maxlength="80"),
        field("Days", "days", type="number", min="1", max="365", value="90"),
        tag("fieldset", tag("legend", "Only for (none: all of these)"), *scopes),
        button="Issue a token",
    )
    header = ("whose", "purpose", "for", "until", "")
    shown = table("Tokens", header, rows) if rows else tag("p", "None yet.", class_="soft")
    return h(shown, tag("div", new, class_="card"))


def _ways(desk: Desk, guest: Guest) -> Html:
    rows = [
        (
            _KINDS.get(one.kind, one.kind),
            one.label or "-",
            _button("/account/credentials/remove", "Remove", "credential", one.credential)
            if one.kind in _KINDS
            else "",
        )
        for one in credentials.list_own(guest.lab)
    ]
    password = form(
        "/account/password",
        field("New password", "password", type="password", autocomplete="new-password"),
        field("The same again", "again", type="password", autocomplete="new-password"),
        button="Change password",
    )
    label = tag("label", tag("span", "Name of a new passkey"), _label())
    return h(
        table("What you can show", ("kind", "name", ""), rows),
        tag(
            "div",
            label,
            passkey_button("/account/passkeys", "Add a passkey", "/account", make=True),
            class_="card",
        ),
        provider_link(desk, "/account/oidc"),
        tag("div", password, class_="card")
        if any(one[0] == "password" for one in rows)
        else h(),
    )


def _label() -> Html:
    return Html('<input id="passkey-label" type="text" maxlength="60" value="passkey">')


def _button(action: str, text: str, name: str, value: str) -> Html:
    return form(action, hidden(name, value), button=text)


PAGES = (
    Page("GET", "/account", account_page),
    Page("GET", "/account/prove", prove_page),
    Page("POST", "/account/prove", prove, fields=("password", "code", "next")),
    Page("POST", "/account/prove/passkey/options", prove_options, json=True),
    Page(
        "POST",
        "/account/prove/passkey",
        prove_with_passkey,
        json=True,
        fields=("answer", "challenge", "next"),
    ),
    Page("GET", "/account/prove/oidc", prove_elsewhere),
    Page("POST", "/account/sessions", close, fields=("session",)),
    Page("POST", "/account/tokens", issue, fields=("purpose", "days", "scope")),
    Page("POST", "/account/tokens/revoke", revoke, fields=("token",)),
    Page("POST", "/account/passkeys/options", passkey_options, json=True),
    Page(
        "POST",
        "/account/passkeys",
        add_passkey,
        json=True,
        fields=("answer", "challenge", "label"),
    ),
    Page("GET", "/account/oidc", add_elsewhere),
    Page("POST", "/account/credentials/remove", remove_credential, fields=("credential",)),
    Page("POST", "/account/password", change_password, fields=("password", "again")),
)
