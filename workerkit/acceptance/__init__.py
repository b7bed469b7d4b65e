"""Whether a project is where its team wanted it: verified in operation, and item by item."""
