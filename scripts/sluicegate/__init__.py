"""Sluicegate: a data-quality gate for event streams on ClickHouse, built as a dbt project.

The gate itself is SQL and YAML (models/, macros/, tests/). This package is the command around it:
it calls dbt in this process, reads what the gate wrote, and says it to people and machines.
"""

__version__ = "0.1.0"
