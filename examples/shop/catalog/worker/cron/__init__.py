"""One module for each job of catalog."""
