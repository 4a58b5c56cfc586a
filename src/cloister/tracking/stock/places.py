"""Where the artifacts of a stock store lie, and which places are its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of this machine that artifacts may be taken from."""

    own: Path
    """Where the store lies. A store that came from elsewhere names what it likes: anything
    outside is not taken for an artifact."""
    served: Path | None = None
    """What a server kept behind ``mlflow-artifacts:/``, where the user said so."""

    def local(self, address: str | None) -> Path | None:
        """The folder that an address means, there or not; None where it is elsewhere."""
        if not address:
            return None
        parts = urlsplit(address)
        found: Path | None = None
        if not parts.scheme:
            found = Path(address)
        elif parts.scheme == "file" and parts.netloc in {"", "localhost"}:
            found = Path(unquote(parts.path))
        elif parts.scheme == "mlflow-artifacts" and self.served is not None:
            found = self.served / unquote(parts.path).strip("/")
        return found if found is not None and self.holds(found) else None

    def inside(self, path: Path | None) -> Path | None:
        """The path, where it lies in one of these folders once links are followed."""
        return path if path is not None and self.holds(path) else None

    def holds(self, path: Path) -> bool:
        """Whether ``path``, links followed, lies in one of these folders."""
        real = path.resolve()
        homes = [self.own, *([self.served] if self.served is not None else [])]
        return any(real.is_relative_to(home.resolve()) for home in homes)
