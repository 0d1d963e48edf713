"""A table of methods from every source to every target: how it is generated, and its own layout."""
