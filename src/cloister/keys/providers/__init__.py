"""Where the epoch KEK lives: the seam, and the providers chosen by URI scheme."""

from cloister.keys.providers.seam import (
    Credential,
    DestroyReceipt,
    EpochKeeper,
    ProviderHealth,
)

__all__ = ["Credential", "DestroyReceipt", "EpochKeeper", "ProviderHealth"]
