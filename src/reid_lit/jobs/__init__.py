"""Jobs: commands of ours as processes of their own."""
