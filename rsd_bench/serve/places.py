"""Where a URL of a stranger leads: nothing private is fetched, and nothing private is passed on by its address.

An image behind a URL is fetched for the router only where its host is named by --fetch-images. The address that is
connected to is the one that was looked at, so a name that changes its address between two look-ups gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from rsd_bench.config import MAX_SERVED_BODY
from rsd_bench.serve.failures import Refused

_FETCH_S = 10.0
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_PLAIN = re.compile(r"[!-\[\]-~]*")  # ASCII that is seen, without the backslash, which some take for a slash
_V4_INSIDE = tuple(map(ipaddress.ip_network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))  # addresses that end in one
_LOCAL = ("localhost", "localhost.localdomain", "ip6-localhost", "metadata.google.internal")


def require_public(url: str) -> None:
    """Refused where a URL is no http(s) URL, or names a private address: a tier would be made to look there.

    Also where its host is spelt so that a tier may read another one: `1.2.3.4\\@x.org`, %2e, full-width digits.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise Refused(400, "an image is neither a data URI nor an http(s) URL", "invalid_image")
    written = _AUTHORITY.match(url)
    if not written or not _PLAIN.fullmatch(written[1]):
        raise Refused(400, "the host of an image URL is not in plain ASCII; write it as xn--...", "invalid_image")
    address = _address(host)
    if host.lower() in _LOCAL or host.lower().endswith(".localhost") or (address and not is_public(address)):
        raise Refused(400, "an image URL names a private address", "private_address")
    if "%" in host:
        raise Refused(400, "the host of an image URL has a % in it", "invalid_image")


def _address(host: str) -> str | None:
    """The address that a host name is, in any of the forms that C libraries take: 127.1, 0x7f000001, 2130706433."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: not private, loopback, link-local, shared or reserved."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and any(found in network for network in _V4_INSIDE):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None and not inner.is_global:
            return False
    return found.is_global and not found.is_multicast


class PublicResolver(AbstractResolver):
    """Looks names up, and gives public addresses only."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        found: list[Any] = [
            {"hostname": host, "host": str(at[0]), "port": port, "family": kind, "proto": proto, "flags": 0}
            for kind, _, proto, _, at in infos
            if is_public(str(at[0]))
        ]
        if not found:
            raise OSError(None, "has no public address")
        return found

    async def close(self) -> None:
        pass


@dataclass
class _Room:
    """Bytes that the images of one request may still take."""

    left: int


class Fetcher:
    """Fetches images from the hosts that were allowed, and from no others. Made inside a running event loop."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        self._hosts = {host.lower() for host in hosts}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=PublicResolver(), use_dns_cache=False, limit=32, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_FETCH_S),
            trust_env=False,
        )

    def allows(self, url: str) -> bool:
        """Whether the host of a URL was named."""
        return (urlsplit(url).hostname or "").lower() in self._hosts

    async def fetch_all(self, urls: Sequence[str], seconds: float) -> list[bytes]:
        """What is behind URLs, in their order, without what cannot be had within bounds.

        They are fetched at once, within `seconds` (`_FETCH_S` at most) and MAX_SERVED_BODY bytes together.
        """
        room = _Room(MAX_SERVED_BODY)
        tasks = [asyncio.ensure_future(self._fetch(url, room)) for url in urls]
        try:
            done, _ = await asyncio.wait(tasks, timeout=min(seconds, _FETCH_S))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [data for task in tasks if task in done and (data := task.result()) is not None]

    async def _fetch(self, url: str, room: _Room) -> bytes | None:
        """The bytes behind a URL; None where they cannot be had. No redirect is followed."""
        try:
            require_public(url)
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    return None
                data = bytearray()
                async for part in response.content.iter_any():
                    data += part
                    room.left -= len(part)
                    if room.left < 0:
                        return None
                return bytes(data)
        except (aiohttp.ClientError, OSError, Refused, ValueError):
            return None

    async def close(self) -> None:
        await self._session.close()
