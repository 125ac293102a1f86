"""Signing in with OpenID Connect: strangers see no page and get no route, others work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import WAIT_MS, Server, Visit, running
from tests.browser.identity_provider import CLIENT, SECRET, Provider, identity_provider
from tests.web.serving import free_port

pytestmark = pytest.mark.browser
expect.set_options(timeout=WAIT_MS)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Who signs people in."""
    with identity_provider() as made:
        yield made


@pytest.fixture
def guarded(tmp_path: Path, provider: Provider) -> Iterator[Server]:
    """The app with a section auth among Streamlit's secrets."""
    port, secrets = free_port(), tmp_path / "secrets.toml"
    secrets.write_text(
        f'''[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"
'''
    )
    with running(tmp_path / "app", "", port, ["--secrets.files", str(secrets)]) as server:
        yield server


def test_only_who_signs_in_comes_in(guarded: Server, visit: Callable[..., Visit]) -> None:
    refused = requests.get(f"{guarded.url}/tiles/abc/1/2/3.png", timeout=10)
    assert (refused.status_code, "Sign in first" in refused.text) == (401, True)

    assert requests.post(f"{guarded.url}/anything", timeout=10).status_code == 401

    page = visit(guarded.url).page
    expect(page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
    expect(page.get_by_text("Or start with a sample")).to_have_count(0)

    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Or start with a sample")).to_be_visible()
    inside = page.request.get(f"{guarded.url}/tiles/abc/1/2/3.png")
    assert inside.status == 404

    page.get_by_role("button", name="Sign out").click()
    # The page says so before the browser has been to the address that takes its cookie away.
    page.wait_for_function("fetch('tiles/abc/1/2/3.png').then(r => r.status === 401)")
    expect(page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
    assert page.request.get(f"{guarded.url}/tiles/abc/1/2/3.png").status == 401


def test_things_are_found_from_another_browser(
    guarded: Server, provider: Provider, visit: Callable[..., Visit]
) -> None:
    def enter() -> Page:
        page = visit(guarded.url).page
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Or start with a sample")).to_be_visible()
        return page

    first = enter()
    first.get_by_role("button", name="Open", exact=True).first.click()
    first.wait_for_url("**scene=*")
    (scene,) = guarded.store.scenes()
    again = enter()
    expect(again.get_by_role("heading", name="Opened before")).to_be_visible()
    expect(again.get_by_text("They belong to your account")).to_have_count(1)
    provider.subject = "somebody else"
    other = enter()
    expect(other.get_by_role("heading", name="Opened before")).to_have_count(0)
    assert [s.owner for s in guarded.store.scenes(scene.owner)] == [scene.owner]
