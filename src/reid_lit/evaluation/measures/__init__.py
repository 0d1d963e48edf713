"""Measures in addition to CMC and mAP."""
