"""A project under load: where it runs, what it is asked, and the parts of its validation."""
