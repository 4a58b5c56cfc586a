"""The console in a real browser, on a lab with real content."""
