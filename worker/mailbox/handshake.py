"""The TLS handshake with the mail server."""

import socket
import ssl

from imapclient.tls import wrap_socket


class HandshakeError(OSError):
    """What TLS raised during the handshake. Later, the same error would mean that the connection was lost."""

    def __init__(self, cause: ssl.SSLError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def secured(sock: socket.socket, context: ssl.SSLContext, host: str) -> socket.socket:
    """This connection with TLS on it, once the certificate was verified. If that fails, the connection is closed."""
    try:
        done: socket.socket = wrap_socket(sock, context, host)
    except ssl.SSLError as error:
        sock.close()
        raise HandshakeError(error) from error
    except BaseException:
        sock.close()
        raise
    return done
