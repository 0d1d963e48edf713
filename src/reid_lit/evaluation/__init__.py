"""Retrieval evaluation in plain torch: distances, ranking, scores."""
