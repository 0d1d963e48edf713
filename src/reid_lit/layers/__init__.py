"""Pieces that models are wired from: pooling and necks."""
