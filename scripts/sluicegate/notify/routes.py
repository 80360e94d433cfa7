"""Who is told what: the environment variables that name destinations, and what each lets through.

Each of these holds Apprise URLs, separated by blanks, line breaks or a comma with a blank (a comma
alone may be part of a URL).

===================================  ========================================================
SLUICEGATE_NOTIFY                    severity WARN and CRITICAL, of all channels
SLUICEGATE_NOTIFY_CRITICAL           severity CRITICAL only, of all channels
SLUICEGATE_NOTIFY_WARN               severity WARN only, of all channels
SLUICEGATE_NOTIFY_INFO               severity INFO only; without it INFO is not sent
SLUICEGATE_NOTIFY_CHANNEL_<NAME>     severity WARN and CRITICAL of the checks whose channel is
                                     <name>; letters in any case, `_` for all other signs
SLUICEGATE_RUNBOOK_URL               where the runbook can be read; its links lead there
===================================  ========================================================

Routes add up: a URL gets what any of its variables lets through, once. What keeps the gate from
being evaluated is CRITICAL and has no channel. An incident goes by the severity of its change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sluicegate.errors import SluicegateError

VARIABLE = "SLUICEGATE_NOTIFY"
CHANNEL_PREFIX = f"{VARIABLE}_CHANNEL_"
RUNBOOK_VARIABLE = "SLUICEGATE_RUNBOOK_URL"
EXAMPLES = (
    "slack://TOKEN_A/TOKEN_B/TOKEN_C, mailtos://USER:PASSWORD@HOST?to=ADDRESS, "
    "pagerduty://INTEGRATION_KEY@API_KEY or jsons://HOST/PATH"
)

_BY_VARIABLE = {
    VARIABLE: frozenset({"CRITICAL", "WARN"}),
    f"{VARIABLE}_CRITICAL": frozenset({"CRITICAL"}),
    f"{VARIABLE}_WARN": frozenset({"WARN"}),
    f"{VARIABLE}_INFO": frozenset({"INFO"}),
}


@dataclass(frozen=True)
class Target:
    """A destination: an Apprise URL and the variables that name it."""

    url: str
    variables: tuple[str, ...]

    @property
    def hash(self) -> str:
        """What the URL is remembered by, since it holds secrets."""
        return hashlib.sha256(self.url.encode("utf-8", "backslashreplace")).hexdigest()[:16]

    def wants(self, severity: str, channel: str) -> bool:
        """Whether one of its variables lets this through."""
        return any(
            severity in _BY_VARIABLE[variable]
            if variable in _BY_VARIABLE
            else severity in _BY_VARIABLE[VARIABLE]
            and variable == CHANNEL_PREFIX + channel_variable(channel)
            for variable in self.variables
        )


def channel_variable(channel: str) -> str:
    """The end of the variable's name for a channel: ``data-team`` gives ``DATA_TEAM``."""
    return re.sub(r"[^A-Z0-9]", "_", channel.upper())


def targets(environ: Mapping[str, str]) -> list[Target]:
    """The destinations that the environment names, each URL once.

    Call it before a run that is to notify: what is wrong here is better said before than after.

    Raises:
        SluicegateError: nothing is configured, or a variable is misspelt.
    """
    found: dict[str, list[str]] = {}
    for variable in sorted(name for name in environ if name.startswith(VARIABLE)):
        urls = [url for part in environ[variable].split() if (url := part.strip(","))]
        if not urls:
            continue
        if variable not in _BY_VARIABLE and not (
            variable.startswith(CHANNEL_PREFIX) and variable != CHANNEL_PREFIX
        ):
            raise SluicegateError(
                f"{variable} is set but means nothing: write one of "
                f"{', '.join(_BY_VARIABLE)}, {CHANNEL_PREFIX}<NAME>."
            )
        for url in urls:
            listed = found.setdefault(url, [])
            if variable not in listed:
                listed.append(variable)
    if not found:
        raise SluicegateError(
            f"There is nobody to notify: set {VARIABLE} (severity WARN and above), "
            f"{VARIABLE}_CRITICAL, {VARIABLE}_WARN, {VARIABLE}_INFO or {CHANNEL_PREFIX}<NAME> "
            f"to Apprise URLs such as {EXAMPLES}."
        )
    return [Target(url, tuple(variables)) for url, variables in found.items()]


def runbook_url(environ: Mapping[str, str]) -> str:
    """Where the runbook can be read; '' when nobody said."""
    return environ.get(RUNBOOK_VARIABLE, "").strip()
