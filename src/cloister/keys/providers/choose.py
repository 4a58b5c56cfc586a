"""A provider by its URI."""

from __future__ import annotations

from pathlib import Path

from cloister.core.errors import BadInput
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import PassphraseKeeper


def open_provider(uri: str, folder: Path) -> PassphraseKeeper:
    """The provider that ``uri`` names, locked; ``file:`` keeps its records in ``folder``.

    Raises BadInput for a scheme there is no provider for.
    """
    if uri == "file:":
        return FileProvider(folder)
    raise BadInput("no such key provider", hint="there is one so far: file:")
