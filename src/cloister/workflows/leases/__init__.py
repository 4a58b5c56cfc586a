"""Leases: what of the machine a run is lent, from its turn in the queue to its end."""

from cloister.workflows.leases.seat import Seat, take_seat
from cloister.workflows.leases.wish import Wish

__all__ = ["Seat", "Wish", "take_seat"]
