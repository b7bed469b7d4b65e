"""Events: what they are, how a worker handles them, and the engine that applies them once."""
