"""A trained model on images: tests, distractors, embeddings."""
