"""Model cards: what a trained model is, what it learnt from, how well it does and for whom, and what it is not for."""
