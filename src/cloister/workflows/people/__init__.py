"""The team: who belongs to it, how they show who they are, what they may do and agree to."""
