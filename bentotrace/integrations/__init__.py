"""Ways into frameworks and tools; never imported from the package itself."""
