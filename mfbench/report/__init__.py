"""The report of a study: one page that works offline."""
