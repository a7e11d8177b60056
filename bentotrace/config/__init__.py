"""From a source to a typed configuration; each stage is a module, :mod:`.load` runs them."""
