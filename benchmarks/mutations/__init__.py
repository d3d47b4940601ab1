"""Wrong models and engines on purpose, and the table of which check of the validation finds which."""
