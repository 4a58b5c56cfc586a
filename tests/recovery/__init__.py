"""Tests of cloister.recovery."""
