"""What becomes of a span that is sent now, step by step: the command ``bentotrace doctor``.

The real exporter of a destination sends it, past sampling and queue. Its outcome is the verdict;
probes show how far one comes, and tell apart what the outcome leaves open.

===============  =================================================================================
module           what is in it
===============  =================================================================================
``examine``      :func:`examine`: the whole way, for every destination
``place``        host, port and transport of a destination, as its plugin tells
``probe``        resolving, connecting, the TLS handshake
``certificate``  what a server's certificate says
``case``         all that was seen of one destination
``trial``        one span through the real exporter
``language``     which language a port speaks, asked when the exporter was not understood
``receivers``    well-known receivers, and finding their paths
``verdict``      :class:`Verdict`: what an outcome means, with the command's exit code
``steps``        what was tried, in words
``fixes``        what to do about a verdict
``options``      which option that is about, and where it was given
``examination``  :class:`Examination`: all of it, as plain values
===============  =================================================================================
"""
