"""Train and serve models on patient data that may not leave the building, and prove it."""

__version__ = "0.1.0"
