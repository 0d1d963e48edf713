"""The figures of the papers, one a file: from a config, or from finished runs, to numbers and a picture."""
