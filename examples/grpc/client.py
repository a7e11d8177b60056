"""Call the server once; the call is one trace in both processes."""

import sys

import grpc

with grpc.insecure_channel(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051") as channel:
    greet = channel.unary_unary("/Greeter/Greet")
    print(greet(b"iris", timeout=30, wait_for_ready=True).decode())
