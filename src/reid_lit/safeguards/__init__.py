"""Who may do what with a gallery, and the log of what was done: policy, tokens, rates, audit. Needs no torch."""
