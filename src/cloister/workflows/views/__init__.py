"""What pages show: one noun a file, values out, policy asked here."""
