"""The papers' claims: read from files, measured on our runs, judged by one rule, and reported."""
