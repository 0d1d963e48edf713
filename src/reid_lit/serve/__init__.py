"""A gallery as a service over HTTP, with a page for people."""
