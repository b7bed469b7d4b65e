"""Background work outside the API process, exactly once."""
