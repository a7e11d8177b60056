"""A gRPC server; its messages are UTF-8 text, so the example needs no generated code."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


def greet(name: bytes, _context: grpc.ServicerContext) -> bytes:
    """Return a greeting."""
    return b"hello, " + name


server = grpc.server(ThreadPoolExecutor(max_workers=4))
methods = {"Greet": grpc.unary_unary_rpc_method_handler(greet)}
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Greeter", methods)])
port = server.add_insecure_port(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
server.start()
print(f"listening on port {port}", flush=True)
server.wait_for_termination()
