"""Function to function: what users call. linear.py holds what everything else is made of."""
