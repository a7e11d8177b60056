"""From a typed configuration to a running pipeline: exporter, guard, processor, sampler."""
