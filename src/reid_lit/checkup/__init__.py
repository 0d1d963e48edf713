"""What is wrong with a copy of a data set, and what this machine offers to train on it."""
