"""Data frames in: what a table holds, its preprocessing, the default network."""
