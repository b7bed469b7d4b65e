"""One module for each kind of job of catalog."""
