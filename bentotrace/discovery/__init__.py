"""Find exporter plugins by their metadata, and load the one that is selected."""
