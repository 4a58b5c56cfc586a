"""Sweeps: many runs of one command, each with parameters that the ones before suggest."""
