"""Keeps the password of a database out of what is printed, wherever in its URL it stands, and however it is written."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"
#: Words in the names of parameters whose values nobody may read: password, sslpassword, passfile, oauth_client_secret.
_SECRET_NAMES = ("pass", "pwd", "secret", "token", "key")
_SHORTEST = 3  #: A shorter password would be found in every sentence.


def hidden(text: str, mark: str = MASK) -> str:
    """A URL, or what was meant as one, with every password in it replaced."""
    # A raw "?" or "@" may be a part of the password: the parameters begin behind the "@" that ends it, if there is one.
    behind_user = max(0, text.find("@"))
    question = text.find("?", behind_user)
    place, query = (text, "") if question < 0 else (text[:question], text[question + 1 :])
    user, at, host = place.rpartition("@")
    if at:
        named = re.match(r"([\w+.-]*:?//[^:/]*):", user)  # the name of the user, where it can be told from the password
        is_name_alone = re.fullmatch(r"[\w+.-]*:?//[^:/]*", user) is not None
        place = f"{named[1]}:{mark}@{host}" if named else place if is_name_alone else f"{mark}@{host}"
    if not query:
        return place + ("?" if question >= 0 else "")
    return f"{place}?{'&'.join(_hidden_parameter(part, mark) for part in query.split('&'))}"


def scrubbed(text: str, url: str) -> str:
    """Someone else's sentence about a database, a driver's for instance, without the passwords of the URL."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _hidden_parameter(part: str, mark: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={mark}" if equals and _is_secret(name) else part


def _is_secret(name: str) -> bool:
    return any(word in unquote_plus(name).lower() for word in _SECRET_NAMES)


def _secrets(url: str) -> set[str]:
    """The passwords in a URL, as they stand there, decoded, and encoded anew."""
    found = set()
    user, at, _ = url.rpartition("@")
    if at and (named := re.match(r"[\w+.-]*://[^:/]*:", user)):
        found.add(user[named.end() :])
    for part in url.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if _is_secret(name):
            found.add(value)
    decoded = {form for text in found for form in (unquote(text), unquote_plus(text))}
    encoded = {form for text in decoded for form in (quote(text, safe=""), quote(text), quote_plus(text), repr(text))}
    return {text for text in found | decoded | encoded if len(text) >= _SHORTEST}
