"""What happened, for people, scripts and MLflow."""
