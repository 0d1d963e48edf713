"""What is measured beside CMC and mAP."""
