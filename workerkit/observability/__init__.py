"""What every process shows: server, guard, health, metrics, logs."""
