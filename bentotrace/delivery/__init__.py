"""From ended spans to an exporter: queue, processor, guard, and the account of every span."""
