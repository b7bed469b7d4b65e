"""The `workerkit` command: thin commands over `project`."""
