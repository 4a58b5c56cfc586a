"""Checks a Cloister proof bundle without Cloister."""
