"""What runs on other machines: the sealed line to one, and what serves it there."""
