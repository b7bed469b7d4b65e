"""Tools that look after a project: doctor, demo."""
