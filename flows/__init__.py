"""When it happens: Prefect flows and tasks, and the dispatcher that starts them. Prefect is never the truth."""
