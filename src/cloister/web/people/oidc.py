"""Logging in with an OpenID provider: the relying party's side (OpenID Connect Core 1.0).

Authorization code with PKCE, state and nonce. The lab asks the provider directly for keys and
tokens; nothing about patients is ever sent.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from cloister.core.clock import Clock
from cloister.core.errors import BadInput, CloisterError, NotAllowed
from cloister.core.ids import Randomness
from cloister.identity.people import new_token
from cloister.identity.provider import ProviderSettings, check_address
from cloister.workflows.people.elsewhere import Identity

_ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
"""None of them symmetric, and never none."""
_TIMEOUT_S, _LEEWAY_S = 10.0, 60
_RECENT_S = "300"


@dataclass(frozen=True, slots=True)
class Sent:
    """Somebody who was sent to the provider: what they must come back with."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    back: str
    """Our address, as the provider was told."""
    purpose: str
    """``login``, ``prove``, ``add``, or ``join`` with an invitation."""
    next: str = "/"


class Provider:
    """One provider; asked for its addresses and keys when they are needed."""

    def __init__(
        self, settings: ProviderSettings, clock: Clock, randomness: Randomness
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._randomness = randomness
        self._lock = threading.Lock()
        self._about: Mapping[str, Any] | None = None

    def send(self, back: str, purpose: str, onward: str) -> tuple[str, Sent]:
        """Where to send somebody, and what they must come back with; raises BadInput."""
        state, nonce, verifier = (new_token(self._randomness)[0] for _ in range(3))
        with self._client(back) as client:
            address, _ = client.create_authorization_url(
                self._address("authorization_endpoint"),
                state=state,
                code_verifier=verifier,
                nonce=nonce,
                max_age=_RECENT_S,
            )
        return str(address), Sent(state, nonce, verifier, back, purpose, onward)

    def receive(self, sent: Sent, query: Mapping[str, str]) -> Identity:
        """Who came back; raises NotAllowed for an answer to anything but ``sent``.

        The code is redeemed with the provider itself; the token's signature, issuer, audience,
        nonce and time are checked (Core 3.1.3.7).
        """
        if query.get("state") != sent.state or "code" not in query:
            raise NotAllowed("the provider did not let you in, or this answer is not for you")
        issuer = query.get("iss")  # RFC 9207: against a mix-up of providers
        if issuer is not None and issuer != self.settings.issuer:
            raise NotAllowed("this answer is from another provider")
        try:
            with self._client(sent.back) as client:
                token = client.fetch_token(
                    self._address("token_endpoint"),
                    code=query["code"],
                    state=sent.state,
                    code_verifier=sent.verifier,
                )
            return self._identity(str(token["id_token"]), sent)
        except CloisterError:
            raise
        except (_oauth_error(), _httpx().HTTPError, KeyError, ValueError) as error:
            raise NotAllowed("the provider's answer does not hold") from error

    def _identity(self, text: str, sent: Sent) -> Identity:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        try:
            found: Any = self._get(self._address("jwks_uri"))
            keys = KeySet.import_key_set(found)
            claims = jwt.decode(text, keys, algorithms=_ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                now=int(self._clock.now().timestamp()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": self.settings.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": sent.nonce},
            ).validate(claims)
        except (JoseError, ValueError) as error:
            raise NotAllowed("the provider's token does not hold") from error
        if claims.get("azp", self.settings.client_id) != self.settings.client_id:
            raise NotAllowed("the provider's token is for another service")
        return Identity(self.settings.issuer, str(claims["sub"]), _moment(claims))

    def _address(self, name: str) -> str:
        """One of the provider's addresses; raises BadInput for one nobody should send to."""
        with self._lock:
            if self._about is None:
                found = self._get(f"{self.settings.issuer}/.well-known/openid-configuration")
                # Discovery 4.3: else one provider could speak for another.
                if found.get("issuer") != self.settings.issuer:
                    raise BadInput("the OpenID provider calls itself by another name")
                self._about = found
        address = str(self._about.get(name, ""))
        check_address(address)
        return address

    def _get(self, address: str) -> dict[str, Any]:
        check_address(address)
        try:
            answer = _httpx().get(address, timeout=_TIMEOUT_S, follow_redirects=False)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
        except (_httpx().HTTPError, ValueError) as error:
            raise BadInput("the OpenID provider does not answer") from error
        return found

    def _client(self, back: str) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client

        return OAuth2Client(
            self.settings.client_id,
            self.settings.secret(),
            scope="openid",
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )


def _moment(claims: Mapping[str, Any]) -> datetime | None:
    at = claims.get("auth_time")
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) and 0 < at < 1 << 40 else None


def _httpx() -> ModuleType:
    import httpx

    return httpx


def _oauth_error() -> type[Exception]:
    from authlib.common.errors import AuthlibBaseError

    kind: type[Exception] = AuthlibBaseError
    return kind
