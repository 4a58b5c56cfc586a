"""The command line."""

from cloister.cli.main import main

__all__ = ["main"]
