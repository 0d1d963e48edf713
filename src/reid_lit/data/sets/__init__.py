"""One file a data set, and what several of them share."""
