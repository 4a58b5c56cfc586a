"""The queue: runs wait for their turn, and are lent a part of the machine."""
