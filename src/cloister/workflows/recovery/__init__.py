"""What brings a lab back: copies, rehearsals, shares of its keys."""
