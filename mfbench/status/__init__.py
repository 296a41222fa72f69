"""How a study stands, from its files alone: nothing is locked or changed."""
