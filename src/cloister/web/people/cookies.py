"""The two cookies: a session's, and that of a visit to another provider."""

from __future__ import annotations

SESSION, VISIT = "__Host-cloister", "__Host-cloister-visit"
"""The prefix makes browsers insist on Secure, on Path=/ and on this host alone (RFC 6265bis
4.1.3.2): a neighbour under the same domain can neither read nor plant them."""


def session_cookie(secret: str) -> str:
    """A session's; it ends with the browser, and in the record before that."""
    return _cookie(SESSION, secret)


def visit_cookie(secret: str) -> str:
    """That of whoever was sent to another provider and is to come back."""
    return f"{_cookie(VISIT, secret)}; Max-Age=600"


def no_session() -> str:
    """Takes the session's away."""
    return f"{_cookie(SESSION, '')}; Max-Age=0"


def no_visit() -> str:
    """Takes the visit's away."""
    return f"{_cookie(VISIT, '')}; Max-Age=0"


def _cookie(name: str, value: str) -> str:
    # Lax, not Strict: whoever comes back from another provider would seem to be logged out.
    # It is the Origin check that keeps foreign pages from acting.
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
