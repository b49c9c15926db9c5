"""Exit with 0 if the mock of this container answers: the image has no shell, and no curl."""

import socket
import sys

REQUEST = b"GET /_mock/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

try:
    with socket.create_connection(("127.0.0.1", 8700), timeout=2) as connection:
        connection.sendall(REQUEST)
        sys.exit(not connection.recv(64).startswith(b"HTTP/1.1 200"))
except OSError as error:
    sys.exit(f"the mock doesn't answer at port 8700: {error}")
