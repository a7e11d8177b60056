"""bentotrace in the start of other programs; one module each, imported by who uses it."""
