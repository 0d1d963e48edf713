"""Datasets: readers, datamodules, samplers and image transforms."""
