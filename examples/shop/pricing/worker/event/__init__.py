"""One module for each topic that pricing listens to."""
