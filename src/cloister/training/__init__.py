"""Help for training scripts: libraries over values and callbacks, never over a lab."""
