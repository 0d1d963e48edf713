"""The health of an adaptation, seen without labels."""
