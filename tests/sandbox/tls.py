"""A throw-away certificate authority, so that every local server speaks real, verified TLS."""

import ssl
from pathlib import Path

import certifi
import trustme


class Authority:
    """A certificate authority that lives in one directory and is trusted by nobody else.

    `ca_file` is what clients verify with (REQUESTS_CA_BUNDLE, SSL_CERT_FILE, AWS_CA_BUNDLE). `bundle_file` holds the
    public authorities too, and so takes a client as long to load as the bundle that it would have by itself.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.bundle_file = directory / "bundle.pem"
        self.bundle_file.write_bytes(Path(certifi.where()).read_bytes() + self.ca_file.read_bytes())

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Write a server certificate for `hosts` and return the paths of its chain and its key."""
        certificate = self._authority.issue_cert(*(hosts or ("localhost", "127.0.0.1")))
        chain, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        key.touch(mode=0o600)
        certificate.private_key_pem.write_to_path(str(key))
        for index, blob in enumerate(certificate.cert_chain_pems):
            blob.write_to_path(str(chain), append=index > 0)
        return chain, key

    def server_context(self, *hosts: str) -> ssl.SSLContext:
        """Return the context of a server that answers as one of `hosts`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*(hosts or ("localhost", "127.0.0.1"))).configure_cert(context)
        return context
