"""Which addresses are a service's own, and where its files may be fetched from."""

import pytest

from stages.service.http import domain_of, may_download, same_service


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://api.bfl.ai/v1/get_result?id=1", True),
        ("https://api.eu1.bfl.ai/v1/get_result?id=1", True),
        ("https://API.BFL.AI:443/x", True),
        ("http://api.bfl.ai/x", False),
        ("https://api.bfl.ai:8443/x", False),
        ("https://api.bfl.ai.evil.org/x", False),
        ("https://evilbfl.ai/x", False),
        ("https://user@api.bfl.ai/x", False),
        ("https://api.bfl.ai@evil.org/x", False),
        ("https://api.bfl.ai:x/", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_which_addresses_are_the_service(url, same):
    assert same_service(url, "https://api.bfl.ai") is same


def test_what_one_owner_has_of_a_name():
    names = [
        "api.bfl.ai",
        "bfl.ai",
        "api.pictures.co.uk",
        "pictures.co.uk",
        "co.uk",
        "localhost",
        "127.0.0.1",
        "::1",
        "a..b",
    ]
    assert [domain_of(name) for name in names] == [
        "bfl.ai",
        "bfl.ai",
        "pictures.co.uk",
        "pictures.co.uk",
        "",
        "",
        "",
        "",
        "",
    ]
    assert same_service("http://127.0.0.1:8/x", "http://127.0.0.1:8")
    assert not same_service("http://127.0.0.2:8/x", "http://127.0.0.1:8")
    assert not same_service("https://evil.co.uk/x", "https://pictures.co.uk")


@pytest.mark.parametrize(
    ("url", "service", "may"),
    [
        ("https://delivery.example/x.png", "https://api.bfl.ai", True),
        ("http://delivery.example/x.png", "https://api.bfl.ai", False),
        ("http://127.0.0.1:9/x.png", "https://api.bfl.ai", False),
        ("http://127.0.0.1:9/x.png", "http://localhost:8000/v1", True),
        ("http://10.0.0.1/x.png", "http://localhost:8000/v1", False),
        ("file:///etc/passwd", "http://localhost:8000/v1", False),
        ("ftp://x.org/a.png", "https://api.bfl.ai", False),
        ("https://name:word@x.org/a.png", "https://api.bfl.ai", False),
        ("https:///a.png", "https://api.bfl.ai", False),
    ],
)
def test_where_a_picture_may_be_fetched_from(url, service, may):
    assert may_download(url, service) is may
