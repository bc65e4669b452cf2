"""Servers on loopback that answer with exact bytes, with or without TLS: what a well-behaved server won't do."""

import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class RawServer:
    """Answers every connection's first request with the same bytes and closes it; `greets`: without a request."""

    def __init__(
        self, answer: bytes | Iterator[bytes], *, tls: ssl.SSLContext | None = None, greets: bool = False
    ) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._greets = greets
        self._tls = tls
        self._open: list[socket.socket] = []
        self._conversations: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for conversation in self._conversations:
            conversation.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(20)
            if self._tls:
                # Not yet shaken hands: that is the conversation's business, and may fail.
                connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._open.append(connection)
            self._conversations.append(threading.Thread(target=self._hold, args=[connection], daemon=True))
            self._conversations[-1].start()

    def _hold(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request and not self._greets:
            piece = connection.recv(65536)
            if not piece:
                return
            request += piece
        self.requests.append(request)
        for part in [self._answer] if isinstance(self._answer, bytes) else self._answer:
            connection.sendall(part)
        if not self._tls:
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def ok(body: bytes, *headers: bytes) -> bytes:
    """A 200 with its length, unless the headers say how the body ends."""
    framed = any(header.lower().startswith((b"content-length", b"transfer-encoding")) for header in headers)
    lines = [b"HTTP/1.1 200 OK", *([] if framed else [b"Content-Length: %d" % len(body)]), *headers]
    return b"\r\n".join([*lines, b"", body])


def dripping(beginning: bytes, drop: bytes, *, pause: float = 0.005) -> Iterator[bytes]:
    """A beginning, and then the same few bytes for ever, one at a time."""
    yield beginning
    rest = threading.Event()
    while True:
        for at in range(len(drop)):
            yield drop[at : at + 1]
            rest.wait(pause)


def self_signed(
    folder: Path, *, host: str = "localhost", days: tuple[int, int] = (-1, 1)
) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a certificate for a host that nobody has signed, and the certificate's file.

    It is valid from and until some days from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    return context, certificate_file
