"""A pipeline that waits for as long as a file says so; it is changed in place."""

import time
from pathlib import Path

import cloister as cl


@cl.task
def before():
    return 1


@cl.task
def hold(one):
    while Path("hold").read_text() == "hold":
        time.sleep(0.05)
    return one


@cl.task
def after(one):
    return one


with cl.pipeline("held"):
    after(hold(before()))
