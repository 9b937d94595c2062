"""Certificates of tests, made by openssl."""

import os
import subprocess

CONFIG = "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = A test\n"


class Authority:
    """Signs certificates into a folder of its own; `ca` is its own."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "openssl.cnf").write_text(CONFIG)
        self.ca, self._key = folder / "ca.crt", folder / "ca.key"
        self._make(self.ca, self._key, "basicConstraints=critical,CA:TRUE")

    def issue(self, names, certificate, key, days=2):
        """A certificate for names such as DNS:localhost,IP:127.0.0.1 into these files, each exchanged as a whole."""
        made = self.folder / "made.crt", self.folder / "made.key"
        self._make(*made, f"subjectAltName={names}", "-CA", str(self.ca), "-CAkey", str(self._key), days=days)
        for file, place in zip(made, (certificate, key)):
            os.replace(file, place)

    def _make(self, certificate, key, extension, *signed_by, days=2):
        subprocess.run(["openssl", "req", "-x509", "-config", str(self.folder / "openssl.cnf"), "-newkey", "ec",
                        "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-addext", extension,
                        "-out", str(certificate), "-keyout", str(key), *signed_by],
                       check=True, capture_output=True, timeout=60)
