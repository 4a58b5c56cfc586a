"""What lets somebody in, and what a second person lets through: sessions, tokens, approvals."""

from __future__ import annotations

from typing import Any

from cloister.policy import GRAVE, Action
from cloister.web.console.calls import Asked, Call, Field, Kind, Said, listed
from cloister.workflows.people import approvals, sessions, tokens


def all_sessions(asked: Asked) -> dict[str, Any]:
    """The open sessions: one's own, or everybody's for whoever looks after people."""
    mine = None if asked.session is None else asked.session.session
    items = [
        {
            "session": line.session.session,
            "whose": line.whose,
            "how": line.session.how,
            "since": line.session.time,
            "until": line.session.expires,
            "this": line.session.session == mine,
        }
        for line in sessions.list_sessions(asked.lab)
    ]
    return listed(items, None, len(items))


def close(asked: Asked) -> Said:
    """Ends a session."""
    sessions.close_session(asked.lab, asked.named["session"])
    return Said(status=204)


def all_tokens(asked: Asked) -> dict[str, Any]:
    """The tokens: one's own, or everybody's for whoever looks after people."""
    items = [
        {
            "token": line.token.token,
            "whose": line.whose,
            "purpose": line.token.purpose,
            "scopes": None if line.token.scopes is None else sorted(line.token.scopes),
            "expires": line.token.expires,
            "state": line.state,
        }
        for line in tokens.list_tokens(asked.lab)
    ]
    return listed(items, None, len(items))


def issue(asked: Asked) -> Said:
    """A token; its secret is in this answer and nowhere else."""
    scopes = frozenset(asked.texts("scopes")) or None
    purpose, days = asked.text("purpose"), asked.whole("days", 90)
    whose = asked.text("whose") or None
    made = tokens.issue_token(asked.lab, purpose, scopes, days, whose)
    said = {"token": made.token, "secret": made.secret, "whose": made.whose}
    return Said(said | {"expires": made.expires}, 201)


def revoke(asked: Asked) -> Said:
    """Ends a token before its time."""
    tokens.revoke_token(asked.lab, asked.named["token"])
    return Said(status=204)


def all_approvals(asked: Asked) -> dict[str, Any]:
    """What waits for a second person or is agreed upon; with ``everything``, what is over."""
    lab = asked.lab
    items = [
        {
            "approval": line.approval.approval,
            "action": line.approval.action,
            "what": line.approval.what,
            "asker": line.asker,
            "decider": line.decider,
            "state": line.state,
            "expires": line.approval.expires,
            "mine": line.approval.asker == lab.actor.person,
        }
        for line in approvals.list_approvals(lab, everything=asked.flag("everything"))
    ]
    return listed(items, None, len(items))


def give(asked: Asked) -> dict[str, Any]:
    """Agrees to what somebody else asked for."""
    return _decided(asked, give=True)


def refuse(asked: Asked) -> dict[str, Any]:
    """Does not agree to what somebody else asked for."""
    return _decided(asked, give=False)


def _decided(asked: Asked, *, give: bool) -> dict[str, Any]:
    found = approvals.decide_approval(asked.lab, asked.named["approval"], give=give)
    return {"approval": found.approval, "state": found.state}


CALLS = (
    Call("GET", "/sessions", all_sessions),
    Call("DELETE", "/sessions/{session}", close, statuses=(204,)),
    Call("GET", "/tokens", all_tokens),
    Call(
        "POST",
        "/tokens",
        issue,
        Action.ACCOUNT,
        (
            Field("purpose", required=True, most=200, example=""),
            Field("scopes", Kind.TEXTS, most=len(Action) - len(GRAVE)),
            Field("days", Kind.WHOLE, least=1, most=365),
            Field("whose", most=200),
        ),
        statuses=(201,),
    ),
    Call("DELETE", "/tokens/{token}", revoke, Action.ACCOUNT, statuses=(204,)),
    Call("GET", "/approvals", all_approvals, fields=(Field("everything", Kind.FLAG),)),
    Call("POST", "/approvals/{approval}/give", give, Action.APPROVE),
    Call("POST", "/approvals/{approval}/refuse", refuse, Action.APPROVE),
)
