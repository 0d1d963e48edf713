"""What happens to a batch of images before the network sees it."""
