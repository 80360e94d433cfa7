"""The connection that the project's profile describes, outside of a dbt run."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbt.adapters.clickhouse import dbclient
from dbt.config.profile import Profile, read_profile
from dbt.config.renderer import ProfileRenderer
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context

import dbt_sluicegate  # noqa: F401  (teaches dbt-clickhouse the driver chdb)
from sluicegate.errors import SluicegateError, one_line

PROFILE = "sluicegate"


def load_profile(profiles_dir: Path, target: str | None) -> Profile:
    """The target of the profile, with its environment variables filled in.

    Args:
        profiles_dir: the folder of profiles.yml.
        target: name of the target; None takes the profile's default.

    Raises:
        SluicegateError: the file cannot be read, or has no such profile or target.
    """
    set_invocation_context(dict(os.environ))
    set_from_args(Namespace(), None)
    try:
        raw = read_profile(str(profiles_dir))
        if not raw:
            raise SluicegateError(
                f"There is no readable profiles.yml in {profiles_dir}: "
                "point --profiles-dir at the folder that has it."
            )
        return Profile.from_raw_profiles(
            raw_profiles=raw,
            profile_name=PROFILE,
            renderer=ProfileRenderer({}),
            target_override=target,
        )
    except SluicegateError:
        raise
    except Exception as error:
        raise SluicegateError(
            f"The profile in {profiles_dir / 'profiles.yml'} cannot be used: {one_line(str(error))}"
        ) from error


@contextmanager
def connect(profile: Profile) -> Iterator[Any]:
    """A dbt-clickhouse client on the profile's target; use ``query(sql)`` on it.

    Raises:
        SluicegateError: the engine or server cannot be reached.
    """
    try:
        client = dbclient.get_db_client(profile.credentials)
    except Exception as error:
        raise SluicegateError(one_line(str(error))) from error
    try:
        yield client
    finally:
        client.close()


def rows(client: Any, sql: str) -> list[dict[str, Any]]:
    """The rows of a query, one dict a row.

    Args:
        client: what ``connect`` gives (http, native or chdb driver).
        sql: one SELECT.
    """
    result = client.query(sql)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_set]


def literal(text: str) -> str:
    """A text as a literal of ClickHouse SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "")
    return f"'{escaped}'"
