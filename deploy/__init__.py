"""Ways to run the whole system."""
