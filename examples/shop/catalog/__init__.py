"""What the shop sells, with how many units of it there are."""
