"""Free ports."""

import socket

from geoquorum.embedded import ports


def test_a_listening_port_is_not_free_and_the_next_one_is_taken() -> None:
    port = ports.find_free()
    assert ports.is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)
        assert ports.next_free(port) > port


def test_a_port_lies_below_those_for_outgoing_connections() -> None:
    drawn = {ports.find_free() for _ in range(20)}
    assert all(ports.LOWEST <= port < 32_768 for port in drawn)
    assert len(drawn) > 10
