"""biobank."""
