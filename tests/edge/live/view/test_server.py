"""Where the page is: addresses, ports, certificates, and what is said when it cannot be there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from cryptography import x509

from edge.errors import EngineMissing, KeyStoreError, OutputError, UsageError
from edge.live.view import server as module
from edge.live.view.certificate import given_tls, own_tls
from edge.live.view.server import PORT, Listen, parse_listen, take_port


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ("127.0.0.1", PORT)),
        (":9000", ("127.0.0.1", 9000)),
        ("localhost:9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:8443", ("0.0.0.0", 8443)),
        ("192.168.1.5", ("192.168.1.5", PORT)),
        ("[::1]:9000", ("::1", 9000)),
        ("[::1]", ("::1", PORT)),
    ],
)
def test_an_address(text: str, found: tuple[str, int]) -> None:
    assert parse_listen(text) == found


@pytest.mark.parametrize(
    "text",
    ["example.org:80", "127.0.0.1:x", "127.0.0.1:70000", "a:b:c", ":\u00b2", ":" + "9" * 5000],
)
def test_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="--listen"):
        parse_listen(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("10.1.2.3", False)],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert Listen(host).loopback is loopback


def test_a_port_that_is_taken() -> None:
    with take_port(Listen(port=0)) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match="--listen"):
            take_port(Listen(port=port))


def test_pictures_do_not_wait_for_acknowledgements() -> None:
    """Asyncio sets TCP_NODELAY only where the protocol is named."""
    with take_port(Listen(port=0)) as taken:
        assert taken.proto == socket.IPPROTO_TCP


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(EngineMissing, match=r"edge-swap\[live\]"):
        module.check_installed()


def test_this_device_s_own_certificate(edge_home: Path) -> None:
    made = own_tls(["192.168.1.5", "kiosk"])
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.168.1.5"]
    assert names.get_values_for_type(x509.DNSName) == ["kiosk"]
    assert made.key.stat().st_mode & 0o077 == 0
    assert len(made.fingerprint) == 32 * 3 - 1
    # The same again, until the machine has another address.
    assert own_tls(["192.168.1.5"]) == made
    assert own_tls(["192.168.1.6"]) != made


def test_a_certificate_of_the_user_s(edge_home: Path, tmp_path: Path) -> None:
    one = own_tls(["a"])
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_bytes(one.certificate.read_bytes())
    key.write_bytes(one.key.read_bytes())
    assert given_tls(certificate, key).fingerprint == one.fingerprint
    another = own_tls(["b"])
    with pytest.raises(KeyStoreError, match="is not the key of"):
        given_tls(certificate, another.key)
    with pytest.raises(KeyStoreError, match="PEM form"):
        given_tls(key, key)
    with pytest.raises(KeyStoreError, match="no certificate at"):
        given_tls(tmp_path / "none", key)


def test_the_link_never_names_an_address_that_nobody_can_reach() -> None:
    assert module._link(Listen(), 8765, None) == "http://127.0.0.1:8765/"
    assert module._link(Listen("::1"), 8765, None) == "http://[::1]:8765/"
    link = module._link(Listen("0.0.0.0"), 8443, "T")
    assert link.startswith("https://")
    assert link.endswith(":8443/?t=T")
    assert "0.0.0.0" not in link


def test_a_name_of_this_machine_is_in_its_certificate(edge_home: Path) -> None:
    found = own_tls(["127.0.0.1", socket.gethostname()])
    certificate = x509.load_pem_x509_certificate(found.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [socket.gethostname()]
