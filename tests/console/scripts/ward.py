"""A pipeline with a branch, a map, a task that may fail, and a page at its end."""

import time

import cloister as cl


@cl.task
def read(stays):
    return sorted(one.name for one in stays.rglob("*.csv"))


@cl.task
def folds(names):
    return [1, 2, 3]


@cl.task
def part(fold):
    time.sleep(0.1 * fold)
    return fold * 2


@cl.task(retries=1, backoff=0.1)
def train(parts, epochs):
    time.sleep(0.3)
    if epochs < 0:
        raise ValueError("no epochs")
    print(f"trained for {epochs} epochs")
    return {"parts": parts, "epochs": epochs}


@cl.task
def good(parts):
    return True


@cl.task
def refuse(parts):
    return None


@cl.task
def report(model):
    return f"{model['epochs']} epochs"


with cl.pipeline(
    "ward", on=[cl.cron("0 3 * * *", zone="Europe/Berlin"), cl.asset("dataset:stays")]
):
    epochs = cl.param("epochs", 2, "passes over the data")
    parts = part.map(folds(read(cl.dataset("stays"))))
    model = train(parts, epochs)
    with cl.unless(good(parts)):
        refuse(parts)
    report(model)
