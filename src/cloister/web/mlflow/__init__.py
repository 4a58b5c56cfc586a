"""The REST interface of MLflow, as its unmodified clients speak it."""
