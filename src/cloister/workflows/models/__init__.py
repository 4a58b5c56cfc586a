"""What happens to models: brought in, attested, proven, served."""
