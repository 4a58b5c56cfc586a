"""A fake of each seam, and the suite that all its implementations pass."""
