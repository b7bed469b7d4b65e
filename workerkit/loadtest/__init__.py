"""Load tests with a constant arrival rate, and the verdicts on what they measured."""
