"""Speaks other people's protocols over HTTP: parses a request, calls one workflow, renders.

Needs the extra ``up``; importing this package loads none of it.
"""
