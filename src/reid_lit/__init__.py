"""Person re-identification experiments in PyTorch Lightning and Hydra."""
