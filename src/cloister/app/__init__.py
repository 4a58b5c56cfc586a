"""Wiring: settings read once, a lab opened from its parts, processes started."""
