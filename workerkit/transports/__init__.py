"""Adapters of `events.transport`; which one is chosen once, by `open_transport`."""
