"""What runs in the fence: it reads the user's file, gives its plan, and makes its calls."""
