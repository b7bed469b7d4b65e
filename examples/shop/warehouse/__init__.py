"""How many units of each product there are."""
