"""Prices of the shop's products, by how many of them are in stock."""
