"""Every picture: ranked lists, failure cases, curves."""
