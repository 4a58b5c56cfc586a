"""Leases: what of the machine a run is lent, from its turn in the queue to its end."""

from cloister.workflows.leases.seat import Asked, Seat, asked, sitting, take_seat
from cloister.workflows.leases.wish import Wish

__all__ = ["Asked", "Seat", "Wish", "asked", "sitting", "take_seat"]
