"""What operators look at, as code: dashboards for Grafana and rules for Prometheus (python -m dashboards.write)."""
