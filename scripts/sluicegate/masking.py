"""What may be shown of the values that events and files bring: `shown` is what every text passes.

Two things are done to a text before it leaves the tables for a terminal, a log, a report, a
page or a message:

- `visible`: characters that break lines, move a cursor, hide or reorder what stands around them are
  spelled out (``\\x1b``, ``\\x0a``, ``\\u202e``), so no file name can forge a line;
- personal data and secrets are replaced by what they are: ``(e-mail)``, ``(phone)``, ``(card)``,
  ``(IBAN)``, ``(IP address)``, ``(secret)``, ``(id)``, ``(number)``.

Rows are shown field by field, by `mask_row`: a column that the contract marks as personal never,
and of what the contract does not know only the shape.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PERSONAL = "(personal)"

# Fields that are personal whatever the contract says of them.
_ALWAYS_PERSONAL = frozenset(
    {"user_email", "email", "e_mail", "phone", "phone_number", "ip", "ip_address", "password"}
)

# --- Characters -------------------------------------------------------------------------------

# Control, format, surrogate, private, unassigned; line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that have no shape: Default_Ignorable_Code_Point of Unicode's
# DerivedCoreProperties.txt, without the variation selectors, and the blank of Braille.
_SHAPELESS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0")


def visible(text: str) -> str:
    """A text on one line, in which nothing is hidden: what has no shape is spelled out.

    Bytes that are no UTF-8 (Python's surrogate escapes) become ``\\x80``, other control and format
    characters ``\\x1b``, ``\\u202e`` or ``\\U000e0001``. A second pass changes nothing.
    """
    if text.isprintable() and _SHAPELESS.isdisjoint(text):
        return text
    return "".join(_spelled(sign) if _is_unseen(sign) else sign for sign in text)


def _is_unseen(sign: str) -> bool:
    return sign in _SHAPELESS or unicodedata.category(sign) in _UNSEEN


def _spelled(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# --- Personal data and secrets ----------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    """What is replaced by ``(label)``: each match that ``holds``.

    Attributes:
        kept: name of the group that stays before the label.
        in_file_names: whether it also counts inside a word that is the name of a data file.
    """

    label: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = lambda _: True
    in_file_names: bool = False


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _is_card(text: str) -> bool:
    """Luhn's checksum, ISO/IEC 7812-1, and a first digit that payment cards have."""
    digits = [int(sign) for sign in _digits(text)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return digits[0] in range(2, 7) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban_length(text: str) -> int:
    """How many characters from the start are an IBAN (ISO 13616: modulo 97 it is 1), else 0."""
    for end in range(len(text), 14, -1):
        number = re.sub(r"[ -]", "", text[:end]).upper()
        if not 15 <= len(number) <= 34 or text[end - 1] in " -":
            continue
        if end < len(text) and text[end] not in " -":
            continue
        if int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1:
            return end
    return 0


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_somebodys_address(text: str) -> bool:
    """An address, unless it is that of a service in one's own network: with a port, not public."""
    address, _, port = text.partition(":")
    return _is_address(address) and not (port and not ipaddress.ip_address(address).is_global)


_LOOKS_LIKE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[-/]\d{1,2}[-/](\d{4}|\d{2})(?!\d)")


def _is_phone(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15 and not _LOOKS_LIKE_DATE.search(text)


_EPOCH = re.compile(r"1\d{9}|1\d{12}|1\d{15}|1\d{18}")
_MOMENT = re.compile(
    r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d([0-5]\d(\d{3})?)?"
)


def _is_long_number(text: str) -> bool:
    """A number that may be somebody's: no Unix time and no time without separators."""
    return not (_EPOCH.fullmatch(text) or _MOMENT.fullmatch(text))


def _is_random(text: str) -> bool:
    """Whether a part of it is as no name is: letters and digits that change places many times."""
    for part in re.split(r"[_-]", text):
        changes = len(re.findall(r"(?<=[A-Za-z])\d|(?<=\d)[A-Za-z]", part))
        is_hex = re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", part) is not None
        is_mixed = any(map(str.islower, part)) and any(map(str.isupper, part))
        if len(part) >= 12 and changes >= 3 and (is_hex or is_mixed):
            return True
    return False


_RULES = (
    _Rule(
        "e-mail",
        re.compile(
            r"""[^\s@<>()\[\]{},;:"'`=|/\\?&]{1,100}(?:'[^\s@<>()\[\]{},;:"'`=|/\\?&]{1,100}){0,3}"""
            r"(?:@|%40)[\w-]+(?:\.[\w-]+)+"
        ),
        in_file_names=True,
    ),
    _Rule(
        "secret",
        re.compile(
            r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON Web Token, RFC 7519
            r"|\b(?:sk|pk|rk|whsec)_(?:live|test)?_?\w{10,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}"
            r"|\bxox[abeprs]-[\w-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}"
            r"|\bglpat-[\w-]{15,}|\bnpm_\w{30,}|\bSG\.[\w-]{15,}\.[\w-]{15,}"
        ),
    ),
    _Rule("secret", re.compile(r"(?i)(?<=\bbearer )[\w+/=.~-]{8,}|(?<=\bbasic )[\w+/]{8,}={0,2}")),
    _Rule(
        "secret",
        re.compile(
            r"(?i)(?P<kept>\b[\w-]*(?:token|secret|passw(?:or)?d|pwd|api[_-]?key|session[_-]?id)[\w-]*=)"
            r"(?=[^\s\"'&;,]*[A-Za-z])[^\s\"'&;,]{6,}"
        ),
    ),
    _Rule(
        "card",
        re.compile(
            r"(?<![\w.])(?:\d{13,19}"
            r"|\d{4}(?P<a>[ -])\d{4}(?P=a)\d{4}(?P=a)\d{1,4}(?:(?P=a)\d{1,3})?"
            r"|\d{4}(?P<b>[ -])\d{6}(?P=b)\d{4,5})(?![\w])"
        ),
        _is_card,
    ),
    _Rule(
        "IP address",
        re.compile(
            r"(?<![\w:.])(?=[0-9A-Fa-f:]*[0-9A-Fa-f]{2})"
            r"(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}"
            r"|(?:[0-9A-Fa-f]{1,4}:){0,6}[0-9A-Fa-f]{0,4}::[0-9A-Fa-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?)"
            r"(?![\w:]|\.\d)"
        ),
        lambda text: _is_address(text) and text != "::",
    ),
    _Rule(
        "IP address",
        # Not after `name/` or `version` (Chrome/120.0.0.0), nor the host of a web address.
        re.compile(
            r"(?<![\w.])(?<![A-Za-z]/)(?<!://)(?<!version )"
            r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w]|\.\d)"
        ),
        _is_somebodys_address,
    ),
    _Rule(
        "phone",
        re.compile(
            r"(?<![\w+])(?:\+|00)[1-9]\d{0,3}(?:[ .-]?\(\d{1,5}\))?(?:[ \u00a0.\/-]?\d){4,14}(?!\w)"
            r"|(?<![\w.#+-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?!\w)"
        ),
        _is_phone,
    ),
    _Rule(
        "phone",
        re.compile(r"(?<![\w.,#+-])(?:\(0\d{1,5}\)|0[1-9]\d{0,4})(?:[ /-]{1,2}\d{2,}){1,4}(?!\w)"),
        lambda text: len(_digits(text)) >= 9 and _is_phone(text),
    ),
    _Rule(
        "id",
        re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"),
    ),
    # Not after a slash: parts of paths are places.
    _Rule("id", re.compile(r"(?<![\w/-])[A-Za-z0-9][\w-]{11,}"), _is_random),
    _Rule("number", re.compile(r"(?<![\w#-])\d{3}-\d{2}-\d{4}(?![\w-])")),
    _Rule(
        "number",
        # No part of an order number, no decimal, no value of ours (name=value).
        re.compile(r"(?<![\w#.=-])(?<!\d,)(?:0\d{8,}|\d{10,})(?![\w-]|[.,]\d)"),
        _is_long_number,
    ),
)
_IBAN = re.compile(r"(?i)\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?\b")
_URL = re.compile(r"https?://[^\s\"'<>,\\]+")
_FILE_NAME = re.compile(
    r"[^\s,\[\]()\"']+\.(?:csv|tsv|txt|jsonl|ndjson|json|parquet|avro)(?:\.(?:gz|zst|bz2|xz|lz4))?"
    r"(?![\w])",
    re.IGNORECASE,
)
_MAY_HOLD = re.compile(
    r"[@\d:]|%40|token|secret|passw|pwd|api.?key|bearer|basic|eyJ|xox", re.IGNORECASE
)


@functools.lru_cache(maxsize=4096)
def shown(text: str) -> str:
    """A text as it may be shown: visible, and personal data and secrets replaced by what they are.

    Of web addresses the query, the fragment and the user go. Times, prices, versions, paths, names
    of data files and order numbers with a prefix stay. A text that went through it stays as it is.
    """
    text = visible(text)
    if not _MAY_HOLD.search(text):
        return text
    text = _URL.sub(lambda match: _without_query(match[0]), text)
    if _IBAN.search(text):
        text = _IBAN.sub(_without_iban, text)
    for rule in _RULES:
        text = _apply(rule, text)
    return text


def _apply(rule: _Rule, text: str) -> str:
    files: list[tuple[int, int]] | None = None

    def replaced(match: re.Match[str]) -> str:
        nonlocal files
        kept = match.groupdict().get("kept") or ""
        if not rule.holds(match[0][len(kept) :]):
            return match[0]
        if not rule.in_file_names:
            if files is None:
                files = [found.span() for found in _FILE_NAME.finditer(text)]
            if any(first <= match.start() and match.end() <= last for first, last in files):
                return match[0]
        return f"{kept}({rule.label})"

    if rule.label == "e-mail" and "@" not in text and "%40" not in text:
        return text
    return rule.pattern.sub(replaced, text)


def _without_iban(match: re.Match[str]) -> str:
    length = _iban_length(match[0])
    return f"(IBAN){match[0][length:]}" if length else match[0]


def _without_query(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(address)"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))


# --- Rows -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contract:
    """What a stream's contract says about showing its values.

    Attributes:
        columns: names of its columns.
        personal: those that are never shown.
        fields: per column that holds JSON, the fields that its payload may have.
        personal_fields: those of any payload that are never shown.
    """

    columns: frozenset[str] = frozenset()
    personal: frozenset[str] = frozenset()
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    personal_fields: frozenset[str] = frozenset()

    @property
    def hides(self) -> bool:
        """Whether there is anything that must not be shown."""
        return bool(self.personal or self.personal_fields)


def read_contract(columns: list[dict[str, Any]]) -> Contract:
    """The contract from the columns of a raw model, as its YAML states them.

    Args:
        columns: each with name and config.meta: contract, personal, payload, personal_payload.
    """
    metas = {
        column["name"]: meta
        for column in columns
        if (meta := (column.get("config") or {}).get("meta") or {}).get("contract")
    }
    return Contract(
        columns=frozenset(metas),
        personal=frozenset(name for name, meta in metas.items() if meta.get("personal")),
        fields={
            name: frozenset(re.split(r"[.\[\]]+", path)[-1] for path in meta["payload"])
            for name, meta in metas.items()
            if meta.get("payload")
        },
        personal_fields=frozenset(
            path for meta in metas.values() for path in meta.get("personal_payload") or []
        ),
    )


def shape(text: str, longest: int = 200) -> str:
    """What a text looks like without what it says: letters as x, digits as 0, the rest as it is."""
    cut = visible(text[:longest])
    return re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "x", cut)) + ("…" if len(text) > longest else "")


def mask_row(text: str, contract: Contract) -> str:
    """A rejected row as it may be shown.

    A row, as a JSON object by column, is shown column by column: those marked personal never (an
    empty value stays empty), those that the contract does not know by their shape, the others as
    `shown` gives them. Of a text that is no JSON object (a line that is no record, a payload cut
    short) only the shape is shown when the contract hides anything: nobody knows what stands where.

    Args:
        text: a JSON object or any line of text.
        contract: of the row's stream.
    """
    row = _json_object(text)
    if row is None:
        return shape(text) if contract.hides else shown(text)
    return json.dumps(
        {shown(str(name)): _mask_column(str(name), value, contract) for name, value in row.items()},
        ensure_ascii=False,
    )


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _mask_column(name: str, value: Any, contract: Contract) -> Any:
    if name in contract.personal or name.lower() in _ALWAYS_PERSONAL:
        return PERSONAL if value not in (None, "") else value
    if contract.columns and name not in contract.columns:
        return _shape_value(value)
    if isinstance(value, str) and (name in contract.fields or value.lstrip().startswith("{")):
        payload = _json_object(value)
        if payload is not None:
            masked = _mask_payload(payload, contract, contract.fields.get(name))
            return json.dumps(masked, ensure_ascii=False)
        return shape(value) if contract.hides else shown(value)
    return _mask_payload(value, contract, None)


def _mask_payload(value: Any, contract: Contract, known: frozenset[str] | None) -> Any:
    """A value inside a payload; ``known`` are the fields that the contract lists, None for any."""
    if isinstance(value, dict):
        return {
            shown(str(name)): (
                (PERSONAL if item not in (None, "") else item)
                if name in contract.personal_fields or str(name).lower() in _ALWAYS_PERSONAL
                else _shape_value(item)
                if known is not None and name not in known
                else _reference(item)
                if str(name).endswith("_id")
                else _mask_payload(item, contract, known)
            )
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_mask_payload(item, contract, known) for item in value]
    if isinstance(value, str):
        return shown(value)
    # A bare number can be a telephone number as well as a text can.
    if isinstance(value, int) and not isinstance(value, bool) and shown(str(value)) != str(value):
        return shown(str(value))
    return value


def _reference(value: Any) -> Any:
    """The id of an order or an article: it may be a long number."""
    text = str(value)
    if isinstance(value, str | int) and re.fullmatch(r"\d{9,12}", text):
        return value
    return _mask_payload(value, Contract(), None)


def _shape_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {shown(str(name)): _shape_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape_value(item) for item in value]
    if isinstance(value, str):
        return shape(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return shape(str(value))
    return value


# --- Documents --------------------------------------------------------------------------------

# What declarations, the product and the people who work with it say, which is not masked: who owns
# a check may well be an e-mail address.
_OURS = frozenset(
    {
        "run_id",
        "incident_id",
        "generated_at",
        "target",
        "schema_version",
        "owner",
        "channel",
        "remediation",
        "runbook",
        "acknowledged_by",
        "released_by",
        "since",
        "opened_at",
        "resolved_at",
        "batch_date",
        "first_batch",
        "last_batch",
        "date",
    }
)


def shown_document(value: Any, name: str = "") -> Any:
    """A document (as JSON has them) with all its texts and names as they may be shown.

    Args:
        value: the document or a part of it.
        name: the field it is in; those of `_OURS` are made visible and not masked.
    """
    if isinstance(value, dict):
        return {shown(key): shown_document(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown_document(item, name) for item in value]
    if isinstance(value, str):
        return visible(value) if name in _OURS else shown(value)
    return value
