"""Backups: what one is, where it goes, and the way back. docs/formats/backup.md."""

from cloister.recovery.register import MIGRATIONS, PROJECTIONS, TABLES

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES"]
