"""The command ``bentotrace doctor``: send a span to every destination, and explain the result.

The real exporter sends the span, past sampling and queue. Its outcome decides the verdict; probes
show the step that failed, and explain what the outcome leaves open.
"""
