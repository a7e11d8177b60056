"""Spans kept on disk until a receiver accepts them."""
