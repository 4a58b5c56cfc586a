"""What happens to data: added, corrected, checked, given out."""
