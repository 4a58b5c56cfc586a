"""Sweeps: a W&B sweep file, the space it searches, who is tried next and who is stopped.

Nothing here knows a store, a key or a process.
"""
