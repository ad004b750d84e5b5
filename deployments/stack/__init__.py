"""The embedded stack of one machine: PostgreSQL, S3 gateway, Prefect server and our processes."""
