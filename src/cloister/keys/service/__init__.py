"""The key service itself: the only code that ever holds subject keys."""
