"""Drawn people, cameras and scenes, on which a network can learn re-identification."""
