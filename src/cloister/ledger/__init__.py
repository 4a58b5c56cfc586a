"""The one record: an append-only Merkle log, its signed head, and the audit of its tables."""

from cloister.ledger.checkpoint import Head
from cloister.ledger.entry import event_of
from cloister.ledger.heads import (
    HeadMemory,
    HeadStatus,
    Restoration,
    accept_restored,
    check_head,
)
from cloister.ledger.ledger import Ledger
from cloister.ledger.proofs import (
    EMPTY_ROOT,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from cloister.ledger.reader import LedgerReader
from cloister.ledger.refill import refill
from cloister.ledger.schema import MIGRATIONS, PROJECTIONS, TABLES

__all__ = [
    "EMPTY_ROOT",
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "Head",
    "HeadMemory",
    "HeadStatus",
    "Ledger",
    "LedgerReader",
    "Restoration",
    "accept_restored",
    "check_head",
    "event_of",
    "leaf_hash",
    "refill",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]
