"""The trace viewer of ``bentotrace ui``: receivers, a store, query APIs and a page."""
