"""Where it runs: the command line, the stack of one machine, the worker, the registration with Prefect."""
