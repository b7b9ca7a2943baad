"""Certificates for the tests, made with the openssl command: a CA, and servers that are and are not to be trusted."""

import subprocess


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def make(folder):
    """`ca.pem`; `good` (localhost and 127.0.0.1), `expired`, `stranger` (its own CA), `client`: .pem and .key."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    # Both extensions are RFC 5280's, and from Python 3.13 on default contexts insist on them.
    use = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    authority = ("-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Test CA")
    openssl(folder, "req", "-x509", *key, *use, *authority)
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    (folder / "names.cnf").write_text(f"{names}\nauthorityKeyIdentifier=keyid\n")
    for name, days in (("good", ("-days", "30")), ("expired", ("-days", "-1")), ("client", ("-days", "30"))):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names.cnf", *days)
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
    openssl(
        folder, "req", "-x509", *key, "-keyout", "stranger.key", "-out", "stranger.pem", "-days", "30",
        "-subj", "/CN=localhost", "-addext", names,
    )  # fmt: skip
