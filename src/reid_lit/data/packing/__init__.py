"""Packs of data sets: what goes into one, and how it is written so that a killed one goes on."""
