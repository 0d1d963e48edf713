"""Who is near whom: exact and approximate search, re-ranking, expansion."""
