"""One module for each view: what it looks at, and how that is shown."""
