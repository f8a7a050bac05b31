"""PyPI mozilla-django-oidc, by which Django applications sign people in: a site in one file, its test client as the
browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
import pytest
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from tests.conformance.browser import Browser

pytestmark = pytest.mark.peer("mozilla-django-oidc")

HOST = "127.0.0.1:9441"


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.email if request.user.is_authenticated else "nobody")


@pytest.fixture(scope="module")
def site(stage: dict[str, Any]) -> Iterator[None]:
    given, base = stage["clients"]["django"], f"{stage['issuer']}/oauth"
    settings.configure(
        SECRET_KEY="of a site that ends with the test",
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
        OIDC_RP_CLIENT_ID=given["client_id"],
        OIDC_RP_CLIENT_SECRET=given["client_secret"],
        OIDC_RP_SIGN_ALGO="RS256",
        OIDC_OP_AUTHORIZATION_ENDPOINT=f"{base}/authorize",
        OIDC_OP_TOKEN_ENDPOINT=f"{base}/token",
        OIDC_OP_USER_ENDPOINT=f"{base}/userinfo",
        OIDC_OP_JWKS_ENDPOINT=f"{base}/jwks",
        OIDC_USE_PKCE=True,
    )
    django.setup()
    settings.ROOT_URLCONF = (path("oidc/", include("mozilla_django_oidc.urls")), path("", home))
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    yield


@pytest.fixture
def visitor(site: None) -> Any:
    from django.test import Client

    return Client(HTTP_HOST=HOST)


def answered(visitor: Any, browser: Browser) -> str:
    """Where the hub sends the browser back to, path and query."""
    parts = urlsplit(browser.answered(visitor.get("/oidc/authenticate/")["Location"]))
    assert parts.netloc == HOST
    return f"{parts.path}?{parts.query}"


def test_sign_in(visitor: Any, ann: Browser, stage: dict[str, Any]) -> None:
    assert visitor.get("/").content == b"nobody"
    assert visitor.get(answered(visitor, ann)).status_code == 302
    assert visitor.get("/").content.decode() == stage["people"]["ann"]["email"]


def test_the_same_person_is_the_same_user(visitor: Any, ann: Browser) -> None:
    from django.contrib.auth.models import User

    visitor.get(answered(visitor, ann))
    visitor.get(answered(visitor, ann))
    assert User.objects.count() == 1


def test_an_answer_counts_once(visitor: Any, ann: Browser) -> None:
    back = answered(visitor, ann)
    visitor.get(back)
    assert visitor.get(back).status_code == 400


def test_an_answer_in_another_browser(visitor: Any, ann: Browser) -> None:
    from django.test import Client

    other = Client(HTTP_HOST=HOST)
    other.get(answered(visitor, ann))
    assert other.get("/").content == b"nobody"


def test_a_code_that_is_none(visitor: Any, ann: Browser) -> None:
    state = parse_qs(urlsplit(answered(visitor, ann)).query)["state"][0]
    with pytest.raises(Exception, match=r"400|invalid_grant") as refused:
        visitor.get(f"/oidc/callback/?code=none&state={state}")
    assert not isinstance(refused.value, SuspiciousOperation)
