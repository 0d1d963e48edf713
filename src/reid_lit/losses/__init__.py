"""Losses, one a file, and the criterion that sums them."""
