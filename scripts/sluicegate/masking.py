"""Personal data made unreadable in what a report shows of single rows."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

# Fields that say who somebody is: a few characters stay, so that two samples can be told apart.
_IDENTIFIERS = frozenset(
    {"client_id", "user_id", "session_id", "user_email", "email", "ip_address", "ip", "phone"}
)
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
_ADDRESS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b")
_TOKEN = re.compile(r"\b[0-9A-Fa-f]{16,}\b|\b\d{9,}\b")
_URL = re.compile(r"https?://[^\s\"'<>,\\]+")


def mask(text: str) -> str:
    """A rejected row with its personal data masked: JSON field by field, other text by pattern.

    Identifiers (client_id, user_email, ip_address, ...) keep their first four characters; e-mail
    and IPv4 addresses, long hexadecimal numbers, numbers of nine and more digits and the query
    part of web addresses are replaced wherever they stand.

    Args:
        text: a JSON object or any line of text.
    """
    try:
        row = json.loads(text)
    except ValueError:
        return _mask_text(text)
    if not isinstance(row, dict):
        return _mask_text(text)
    return json.dumps(_mask_value("", row), ensure_ascii=False)


def _mask_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {_mask_text(key): _mask_value(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask_value(name, item) for item in value]
    if name.lower() in _IDENTIFIERS and value not in (None, ""):
        return f"{str(value)[:4]}…"
    if isinstance(value, str):
        # A field may hold a JSON text of its own, as event_data does.
        return mask(value) if value.lstrip().startswith("{") else _mask_text(value)
    return value


def _mask_text(text: str) -> str:
    text = _URL.sub(lambda match: _without_query(match[0]), text)
    text = _EMAIL.sub("(e-mail)", text)
    text = _ADDRESS.sub("(address)", text)
    return _TOKEN.sub(lambda match: f"{match[0][:4]}…", text)


def _without_query(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(address)"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))
