"""Tasks: memory functions, their M99, and sequences that follow them."""
