"""Data frames understood and encoded: read, schema, columns, target, encoding. Nothing trains."""
