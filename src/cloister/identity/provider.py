"""Where else members may show who they are: an OpenID provider, as the settings name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cloister.core.errors import BadInput

_LOCAL = {"localhost", "127.0.0.1", "::1"}
UNNAMED = "your organisation"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The table [oidc] of cloister.toml."""

    issuer: str
    client_id: str
    secret: Callable[[], str] = field(repr=False)
    """Read when it is needed, from where the settings say."""
    name: str = UNNAMED
    """What the button says."""


def check_address(address: str) -> None:
    """Raises BadInput for what is not HTTPS, but for this machine itself."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise BadInput("an OpenID provider is reached over https")
