"""Breaks things on purpose, and computes whether anything was lost or done twice."""
