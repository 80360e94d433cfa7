"""The dbt packages that observability/ needs: from the dbt hub, or from a mirror of it."""
