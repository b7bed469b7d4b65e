"""Projects from templates: made, extended, brought up to date, and compared with them."""
