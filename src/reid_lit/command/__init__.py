"""Words of the command line to a config: how a command is launched, replayed and corrected."""
