"""From a folder of patient data to items: whose each is, and whether it can be used."""

from cloister.biobank.items import INLINE_BYTES, Item, Kind, Quarantine, SubjectRules
from cloister.biobank.layout import Joined, Layout, join
from cloister.core.subjects import Identity

__all__ = [
    "INLINE_BYTES",
    "Identity",
    "Item",
    "Joined",
    "Kind",
    "Layout",
    "Quarantine",
    "SubjectRules",
    "join",
]
