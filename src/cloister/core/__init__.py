"""Values, names, errors and protocols every layer speaks. Standard library only."""
