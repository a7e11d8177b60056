"""Certificates of an authority that exists for a test, made with trustme."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    import grpc

__all__ = ["Certificates", "make_certificates"]


@frozen
class Certificates:
    """The PEM files of one authority, its server and its client.

    Attributes:
        ca_file: path of the authority's certificate.
        cert_file: path of the server's certificate.
        key_file: path of the server's private key.
        client_cert_file: path of the client's certificate.
        client_key_file: path of the client's private key.
    """

    ca_file: str
    cert_file: str
    key_file: str
    client_cert_file: str
    client_key_file: str

    def server_context(self, *, ask_client: bool = False) -> ssl.SSLContext:
        """Return the ``ssl_context`` of an HTTP receiver.

        Args:
            ask_client: whether clients need a certificate of the authority.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert_file, self.key_file)
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca_file)
        return context

    def server_credentials(self, *, ask_client: bool = False) -> grpc.ServerCredentials:
        """Return the ``credentials`` of a gRPC receiver; see :meth:`server_context`."""
        import grpc

        pair = (Path(self.key_file).read_bytes(), Path(self.cert_file).read_bytes())
        root = Path(self.ca_file).read_bytes() if ask_client else None
        return grpc.ssl_server_credentials([pair], root, ask_client)


def make_certificates(folder: Path, *hosts: str, not_after: datetime | None = None) -> Certificates:
    """Create an authority, with certificates for a server and a client.

    Args:
        folder: the existing directory for the files.
        hosts: names and addresses of the server; by default loopback's.
        not_after: when the server's certificate expires.
    """
    import trustme

    authority = trustme.CA()
    server = authority.issue_cert(*(hosts or ("localhost", "127.0.0.1")), not_after=not_after)
    client = authority.issue_cert("client.example")
    paths = {
        "ca_file": [authority.cert_pem],
        "cert_file": server.cert_chain_pems,
        "key_file": [server.private_key_pem],
        "client_cert_file": client.cert_chain_pems,
        "client_key_file": [client.private_key_pem],
    }
    for name, blobs in paths.items():
        (folder / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
    return Certificates(**{name: str(folder / name) for name in paths})
