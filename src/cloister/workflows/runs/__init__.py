"""What happens to runs: started, gone on with, replayed, compared, converted."""
