"""One run and its folder: what was asked for, what it goes on from, what came out."""
