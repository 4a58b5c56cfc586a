"""Where the epoch KEK lives: the seam, and the providers chosen by URI scheme."""

from cloister.keys.providers.choose import open_provider
from cloister.keys.providers.seam import (
    Credential,
    DestroyReceipt,
    EpochKeeper,
    PassphraseKeeper,
    ProviderHealth,
)

__all__ = [
    "Credential",
    "DestroyReceipt",
    "EpochKeeper",
    "PassphraseKeeper",
    "ProviderHealth",
    "open_provider",
]
