"""The runner: config, plan, execution, record."""
