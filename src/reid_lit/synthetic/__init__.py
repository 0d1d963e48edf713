"""A drawn world of people, cameras and scenes, good enough to learn re-identification on."""
