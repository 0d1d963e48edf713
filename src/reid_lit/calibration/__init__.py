"""Same person or not: what a score means, measured on persons that the model has not learnt from."""
