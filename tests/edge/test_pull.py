"""Downloads against a server of this test: cut short, redirected, too large, another file."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge import pull as pull_module
from edge import recorded, resources
from edge.cards import Card, find_card
from edge.errors import CardError, DownloadError, ModelError
from edge.pull import pull, source_of
from tests import gates, tiny

DATA = bytes(range(256)) * 4096  # a megabyte


@dataclass
class Site:
    """What a server does, and what it was asked.

    Attributes:
        data: The file.
        most: Bytes after which it hangs up, of each answer; 0: never.
        ranges: Whether it knows ranges.
        length: Whether it says how long its answer is.
        status: What it answers instead, if not 0.
        location: Where it redirects to, if anywhere.
        stated: The length that it states in place of the true one, if any.
        asked: Path and Range header of each request.
    """

    data: bytes = DATA
    most: int = 0
    ranges: bool = True
    length: bool = True
    status: int = 0
    location: str = ""
    place: str = ""
    stated: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            site.asked.append((self.path, wanted))
            if site.location:
                self.send_response(302)
                self.send_header("Location", site.location)
                self.end_headers()
                return
            if site.status:
                self.send_response(site.status)
                self.end_headers()
                return
            start = int(wanted[6:-1]) if wanted and site.ranges else 0
            if start >= len(site.data) and start:
                self.send_response(416)
                self.end_headers()
                return
            self.send_response(206 if wanted and site.ranges else 200)
            body = site.data[start:]
            if wanted and site.ranges:
                place = site.place or f"bytes {start}-{len(site.data) - 1}/{len(site.data)}"
                self.send_header("Content-Range", place)
            if site.length:
                self.send_header("Content-Length", site.stated or str(len(body)))
            self.end_headers()
            self.wfile.write(body[: site.most or None])

    return Handler


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    servers = []

    def start(site: Site, context: ssl.SSLContext | None = None) -> Site:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        scheme = "http" if context is None else "https"
        site.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        return site

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def card(edge_home: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """Return the card of a model that is not here."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "EDGE_MODELS_URL", "EDGE_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "*")
    tiny.install_one(edge_home, "some", "detector", tiny.DETECTOR, DATA).unlink()
    return find_card("some")


@pytest.fixture
def mirror(
    card: Card, serve: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Site]:
    def start(**options: object) -> Site:
        site = serve(Site(**options))  # type: ignore[arg-type]
        monkeypatch.setenv("EDGE_MODELS_URL", f"{site.url}/models/")
        return site

    return start


def _left(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "data" / "models").iterdir())


def test_a_file_is_pulled_from_the_mirror(
    card: Card, mirror: Callable[..., Site], edge_home: Path
) -> None:
    site = mirror()
    reports: list[tuple[int, int | None]] = []
    path = pull(card, progress=lambda done, total, what: reports.append((done, total)))
    assert path == edge_home / "data/models/some.onnx"
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o644
    assert site.asked == [("/models/some.onnx", "")]
    assert reports[0] == (0, len(DATA))
    assert reports[-1] == (len(DATA), len(DATA))
    assert _left(edge_home) == ["some.onnx"]
    assert pull(card) == path
    assert len(site.asked) == 1  # it was here already


def test_a_connection_that_is_cut_is_taken_up_again(
    card: Card, mirror: Callable[..., Site]
) -> None:
    site = mirror(most=len(DATA) // 3 + 1)
    assert pull(card).read_bytes() == DATA
    third = len(DATA) // 3 + 1
    assert [wanted for _, wanted in site.asked] == ["", f"bytes={third}-", f"bytes={2 * third}-"]


def test_what_came_is_kept_for_the_next_call(
    card: Card, mirror: Callable[..., Site], edge_home: Path
) -> None:
    site = mirror(most=1000)
    with pytest.raises(DownloadError, match=r"ended after 4000 of 1048576 bytes.*same command"):
        pull(card)
    (part,) = _left(edge_home)
    assert part.endswith(".part")
    site.most = 0
    assert pull(card).read_bytes() == DATA
    assert site.asked[-1][1] == "bytes=4000-"
    assert _left(edge_home) == ["some.onnx"]


def test_a_server_without_ranges_begins_anew(card: Card, mirror: Callable[..., Site]) -> None:
    site = mirror(most=1000)
    with pytest.raises(DownloadError):
        pull(card)
    site.most, site.ranges = 0, False
    assert pull(card).read_bytes() == DATA


def test_a_server_that_tells_no_length_is_counted(card: Card, mirror: Callable[..., Site]) -> None:
    mirror(length=False)
    assert pull(card).read_bytes() == DATA


def test_a_length_of_any_number_of_digits_is_one_line(
    card: Card, mirror: Callable[..., Site]
) -> None:
    mirror(stated="9" * 5000)
    with pytest.raises(DownloadError, match=r"offers 999999\.\. bytes where the card says"):
        pull(card)


@pytest.mark.parametrize("length", [True, False])
def test_a_file_that_is_too_large_is_refused(
    card: Card, mirror: Callable[..., Site], edge_home: Path, length: bool
) -> None:
    mirror(data=DATA + b"!", length=length)
    with pytest.raises(DownloadError, match="it is another file"):
        pull(card)
    assert not (edge_home / "data/models/some.onnx").exists()
    assert all((edge_home / "data/models" / name).stat().st_size == 0 for name in _left(edge_home))


@pytest.mark.parametrize(
    "data", [DATA[:-1] + b"!", b"<html>You must log in</html>", b"", DATA[::-1]]
)
def test_another_file_never_gets_the_name(
    card: Card, mirror: Callable[..., Site], edge_home: Path, data: bytes
) -> None:
    mirror(data=data)
    with pytest.raises(DownloadError) as caught:
        pull(card)
    assert "\n" not in str(caught.value)
    assert not (edge_home / "data/models/some.onnx").exists()


def test_a_part_of_another_file_does_not_spoil_the_next_pull(
    card: Card, mirror: Callable[..., Site], edge_home: Path
) -> None:
    site = mirror(data=bytes(len(DATA)), most=1000)
    with pytest.raises(DownloadError):
        pull(card)
    site.data, site.most = DATA, 0
    with pytest.raises(DownloadError, match=r"SHA-256 .* it was removed"):
        pull(card)
    assert _left(edge_home) == []
    assert pull(card).read_bytes() == DATA


def test_a_part_that_is_too_long_is_dropped(
    card: Card, mirror: Callable[..., Site], edge_home: Path
) -> None:
    mirror()
    part = edge_home / "data/models" / f".some.onnx.{card.sha256[:16]}.part"
    part.write_bytes(bytes(len(DATA) + 1))
    assert pull(card).read_bytes() == DATA


def test_a_server_that_sends_another_part_is_refused(
    card: Card, mirror: Callable[..., Site]
) -> None:
    site = mirror(most=1000)
    with pytest.raises(DownloadError):
        pull(card)
    site.place, site.most = f"bytes 0-{len(DATA) - 1}/{len(DATA)}", 0
    with pytest.raises(DownloadError, match="another part"):
        pull(card)


def test_a_server_that_has_less_says_so(card: Card, mirror: Callable[..., Site]) -> None:
    site = mirror(most=1000)
    with pytest.raises(DownloadError):
        pull(card)
    site.data, site.most = DATA[:100], 0
    with pytest.raises(DownloadError, match="no more than the 4000 bytes"):
        pull(card)


@pytest.mark.parametrize(("status", "words"), [(404, "404"), (500, "500"), (204, "204")])
def test_what_a_server_refuses_is_said(
    card: Card, mirror: Callable[..., Site], status: int, words: str
) -> None:
    mirror(status=status)
    with pytest.raises(DownloadError, match=words):
        pull(card)


def test_a_server_that_is_not_there(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MODELS_URL", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"cannot be reached \(.*refused\): check the address"):
        pull(card)
    assert _left(resources.data_dir().parent) == []


@pytest.mark.parametrize("where", ["http://127.0.0.1:9/x", "ftp://127.0.0.1/x", "file:///etc/x"])
def test_a_redirect_leads_to_https_or_nowhere(
    card: Card, mirror: Callable[..., Site], where: str
) -> None:
    site = mirror(location=where)
    with pytest.raises(DownloadError, match=r"not https: refused|is not allowed"):
        pull(card)
    assert len(site.asked) == 1


@pytest.mark.parametrize("where", ["http://[x", "https://[x/y", f"https://{'x' * 80}/"])
def test_a_redirect_to_no_address_is_one_line(
    card: Card, mirror: Callable[..., Site], edge_home: Path, where: str
) -> None:
    site = mirror(location=where)
    with pytest.raises(DownloadError, match=r"is no address \(.*\): refused") as caught:
        pull(card)
    assert "\n" not in str(caught.value)
    assert len(site.asked) == 1
    assert _left(edge_home) == []


def test_an_address_that_cannot_be_asked_is_one_line(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MODELS_URL", f"http://{'x' * 80}/")  # no part of a name is that long
    with pytest.raises(DownloadError, match="is no address that can be asked") as caught:
        pull(card)
    assert "\n" not in str(caught.value)


def _own_certificate(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def safe_site(serve: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return an https site that this process trusts."""
    pem = _own_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    return serve(Site(), context)


def test_a_redirect_to_https_is_followed(
    card: Card, mirror: Callable[..., Site], safe_site: Site
) -> None:
    mirror(location=f"{safe_site.url}/elsewhere")
    assert pull(card).read_bytes() == DATA
    assert safe_site.asked == [("/elsewhere", "")]


def test_a_card_s_own_source_is_asked(card: Card, safe_site: Site) -> None:
    named = replace(card, url=f"{safe_site.url}/some/where.onnx")
    assert pull(named).read_bytes() == DATA
    assert safe_site.asked == [("/some/where.onnx", "")]


def test_a_certificate_that_nobody_vouches_for_is_refused(
    card: Card, safe_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DownloadError, match=r"cannot be reached .*CERTIFICATE_VERIFY_FAILED"):
        pull(replace(card, url=f"{safe_site.url}/some.onnx"))
    assert safe_site.asked == []


def test_a_proxy_is_asked(
    card: Card, serve: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(Site())
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("EDGE_MODELS_URL", "http://models.invalid/here")
    assert pull(card).read_bytes() == DATA
    assert proxy.asked == [("http://models.invalid/here/some.onnx", "")]


def test_only_one_process_pulls_a_model(
    card: Card, mirror: Callable[..., Site], edge_home: Path
) -> None:
    import fcntl

    site = mirror()
    part = edge_home / "data/models" / f".some.onnx.{card.sha256[:16]}.part"
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="by another process"):
            pull(card)
    assert site.asked == []


def test_a_full_disk_is_seen_before(
    card: Card, mirror: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = mirror()
    monkeypatch.setattr(pull_module, "_SPARE", 1 << 60)
    with pytest.raises(DownloadError, match="MB free"):
        pull(card)
    assert site.asked == []


def test_a_folder_that_cannot_be_written_is_one_line(
    card: Card, mirror: Callable[..., Site], edge_home: Path
) -> None:
    mirror()
    folder = edge_home / "data/models"
    folder.rmdir()
    folder.write_text("a file where the folder would be")
    with pytest.raises(ModelError, match="cannot be written"):
        pull(card)


def test_a_wrong_file_of_the_user_is_replaced(
    card: Card, mirror: Callable[..., Site], edge_home: Path
) -> None:
    mirror()
    (edge_home / "data/models/some.onnx").write_bytes(b"other")
    assert pull(card).read_bytes() == DATA


def test_a_wrong_file_where_nothing_is_written_is_an_error(
    card: Card, mirror: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = mirror()
    monkeypatch.setenv("EDGE_MODELS_DIR", str(tmp_path))
    (tmp_path / "some.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match="has 5 bytes"):
        pull(card)
    assert site.asked == []


def test_a_pulled_gate_is_noted(card: Card, mirror: Callable[..., Site], edge_home: Path) -> None:
    gates.install(edge_home).unlink()
    mirror(data=gates.gate())
    pull(find_card("blue_gate"))
    assert recorded.noted_gates() == {"blue_gate"}


def test_a_card_without_source_or_hash_is_not_pulled(card: Card) -> None:
    with pytest.raises(DownloadError, match="states no source"):
        source_of(card)
    with pytest.raises(DownloadError, match="states no SHA-256"):
        pull(find_card("ghost_1_256"))


@pytest.mark.parametrize(
    "mirror_url",
    ["file:///models", "models", "http://", "ftp://x/y", "http://[x", "http://x:99999/"],
)
def test_a_mirror_is_http(card: Card, monkeypatch: pytest.MonkeyPatch, mirror_url: str) -> None:
    monkeypatch.setenv("EDGE_MODELS_URL", mirror_url)
    with pytest.raises(DownloadError, match="EDGE_MODELS_URL is no http"):
        source_of(card)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('url = "http://example.org/x"', "must be an https address"),
        ('url = "https://"', "must be an https address"),
        ('url = "https://me:word@example.org/x"', "must be an https address"),
        ('url = "file:///x"', "must be an https address"),
        ('url = "https://example.org/a b"', "must be an https address"),
        ("url = 3", "must be text"),
    ],
)
def test_a_card_s_source_is_read_strictly(
    card: Card, edge_home: Path, line: str, words: str
) -> None:
    path = edge_home / "data/cards/some.toml"
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(CardError, match=words):
        find_card("some")


def test_a_source_needs_a_hash(card: Card, edge_home: Path) -> None:
    path = edge_home / "data/cards/some.toml"
    digest = hashlib.sha256(DATA).hexdigest()
    path.write_text('url = "https://example.org/x"\n' + path.read_text().replace(digest, ""))
    with pytest.raises(CardError, match="what cannot be checked is not pulled"):
        find_card("some")
