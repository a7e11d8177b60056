"""The options of a schema: declarations, kinds of values, annotations, and their tree."""
