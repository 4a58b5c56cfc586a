"""Use cases that cross domains: one verb a file, policy asked and events recorded here."""
