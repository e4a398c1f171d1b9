"""A throw-away certificate authority, so that every local server speaks real, verified TLS."""

import ssl
from pathlib import Path

import certifi
import trustme

HERE = ("localhost", "127.0.0.1")


class Authority:
    """A certificate authority that lives in one directory and is trusted by nobody else.

    `ca_file` is what clients verify with (REQUESTS_CA_BUNDLE, SSL_CERT_FILE, AWS_CA_BUNDLE). `bundle_file` holds the
    public authorities too, and so takes a client as long to load as the bundle that it would have by itself.
    """

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.bundle_file = directory / "bundle.pem"
        self.bundle_file.write_bytes(Path(certifi.where()).read_bytes() + self.ca_file.read_bytes())

    def issue(self, path: Path) -> Path:
        """Write a certificate for this machine, with its chain and its key, and return the path."""
        path.touch(mode=0o600)
        self._authority.issue_cert(*HERE).private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def server_context(self, *hosts: str) -> ssl.SSLContext:
        """Return the context of a server that answers as one of `hosts`, or as this machine."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*(hosts or HERE)).configure_cert(context)
        return context
