"""Addresses of databases with their credentials, and messages of drivers without them.

What :func:`resolve` returns never leaves the frame that opens a connection: it is not logged, not stored, and not a
local variable of any frame that an exception carries.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote

from exposure.content.settings import (
    ADDRESS,
    PLACEHOLDER,
    SECRET_PARAMETERS,
    Connection,
    parameters,
)

LIBPQ_PASSWORD = "PGPASSWORD"
MAX_MESSAGE = 240
WITHHELD = "the driver's message holds credentials and is not shown"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Texts that no message may hold: ``hidden`` withhold it, ``named`` are shown as their variable."""

    hidden: frozenset[str] = field(default_factory=frozenset[str], repr=False)
    named: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def resolve(connection: Connection) -> str:
    """Return the address of a server with the values of the environment, or '' if they make none."""
    template = connection.uri or ""
    whole = PLACEHOLDER.fullmatch(template)
    if whole:
        address = os.environ.get(whole[1], "")
        return address if ADDRESS.match(address) else ""

    def value(found: re.Match[str]) -> str:
        # the host may be an IPv6 address in brackets, or hosts with ports
        return quote(os.environ.get(found[1], ""), safe="[]:," if _is_host(found) else "")

    return PLACEHOLDER.sub(value, template)


def secrets_of(connection: Connection) -> Secrets:
    """Return what a message about a connection must not hold."""
    address = resolve(connection)
    raw = {os.environ.get(LIBPQ_PASSWORD, ""), address}
    shown: dict[str, str] = {}
    template = ADDRESS.match(connection.uri or "")
    for name in connection.variables:
        value = os.environ.get(name, "")
        if template is not None and f"{{{name}}}" not in _secret_places(template):
            shown[name] = value
        else:
            raw.add(value)
    parts = ADDRESS.match(address)
    if parts is not None:
        raw.update(_secret_places(parts))
        if template is None and parts["user"]:  # the whole address is one variable
            shown["user of " + connection.variables[0]] = unquote(parts["user"])
    hidden = {form for text in raw if text for form in _forms(text)}
    named = tuple((text, f"{{{name}}}") for name, text in shown.items() if text)
    return Secrets(frozenset(hidden), named)


def clean_message(fault: BaseException, secrets: Secrets, path: str = "") -> str:
    """Return the first line of a driver's message, or that it is withheld.

    A message that holds a password in any spelling is dropped whole: blanking the word out of a sentence tells
    where, and with luck what, it was.

    Examples
    --------
    >>> clean_message(ValueError("no such table: positions"), Secrets())
    'no such table: positions'
    >>> clean_message(ValueError("bad password hunter2"), Secrets(frozenset({"hunter2"})))
    "the driver's message holds credentials and is not shown"
    """
    text = "\n".join(str(part) for part in (fault, *getattr(fault, "__notes__", ())))
    if any(secret in text for secret in secrets.hidden):
        return WITHHELD
    for value, name in secrets.named:
        text = text.replace(value, name)
    if path:
        text = text.replace(path, os.path.basename(path))  # noqa: PTH119 - text of a message
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(fault).__name__)
    return first if len(first) <= MAX_MESSAGE else first[: MAX_MESSAGE - 1] + "…"


def _secret_places(parts: re.Match[str]) -> set[str]:
    """Return the password and the secret parameters of an address."""
    found = {parts["password"] or ""}
    found |= {value for key, value in parameters(parts["parameters"]) if key in SECRET_PARAMETERS}
    return found - {""}


def _forms(text: str) -> set[str]:
    """Return a secret in the spellings in which it may turn up."""
    plain = {text, unquote(text)}
    spelled = {
        form for one in plain for form in (one, quote(one, safe=""), quote(one), quote_plus(one))
    }
    return spelled | {repr(one)[1:-1] for one in plain} | {one.strip() for one in plain} - {""}


def _is_host(found: re.Match[str]) -> bool:
    """Return whether a placeholder stands between ``@`` (or ``//``) and the path."""
    before = found.string[: found.start()].partition("//")[2]
    after = found.string[found.end() :]
    return "/" not in before and "?" not in before and "@" not in after
