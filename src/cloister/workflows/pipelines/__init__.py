"""Pipelines: run, resumed, looked at; every attempt of a task is a run."""
