"""Keeps spans on disk while their receiver is away; loaded only where a spool is configured."""
