"""What every kind of worker needs: life cycle, clock, backoff, hooks, loading."""
