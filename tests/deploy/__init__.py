"""What must hold of the files that put a project into containers."""
