"""The cross-domain matrix: which trainings it takes, and what came out of them."""
