"""Many evaluation files, one cube: per architecture first, then all, in bounded memory."""
