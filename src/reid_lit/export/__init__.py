"""Trained models for other programs: one graph that holds all arithmetic, and a gate that compares it with ours."""
