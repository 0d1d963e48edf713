"""Pages for people: one HTML file a run or a table, which opens from the file system without a network."""
