"""Images from the disk into batches: decoding, caches, samplers, loaders."""
