"""Many runs of one command: how they are started, searched and reported."""
