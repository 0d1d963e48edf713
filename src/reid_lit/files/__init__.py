"""Files of a data set, wherever they lie: each by itself on the disk, or many in the tar shards of a pack."""
