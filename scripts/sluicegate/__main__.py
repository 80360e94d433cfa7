"""The entry point of the command: ready to be interrupted first, everything else after that."""

from __future__ import annotations

from sluicegate import interrupts


def main() -> None:
    """Run the sluicegate command."""
    interrupts.install()
    # Takes a while to import.
    from sluicegate.cli import main as command

    command(prog_name="sluicegate")


if __name__ == "__main__":
    main()
