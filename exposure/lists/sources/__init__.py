"""Importers of the official layouts. They read files given by path; nothing here fetches anything."""
