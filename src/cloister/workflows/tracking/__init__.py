"""Tracking: experiments, tracked runs and models, as scripts log them."""
