"""What a project and its processes are told: `workerkit.toml`, environment, flags."""
