"""Looking into records: facts of their plaintext, taken in a process of its own."""

from cloister.checks.looking.looker import Asked, Looker

__all__ = ["Asked", "Looker"]
