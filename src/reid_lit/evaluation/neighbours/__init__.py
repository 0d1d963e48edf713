"""The nearest images of an image: exact and approximate search, re-ranking, query expansion."""
