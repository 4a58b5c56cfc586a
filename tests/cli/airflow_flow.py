"""A pipeline with all that a DAG of Airflow is written from; the target `airflow` runs it."""

from pathlib import Path

import cloister as cl


@cl.task
def scans(data):
    return sorted(str(p.relative_to(data)) for p in Path(data).rglob("*.txt"))


@cl.task(pool="disk:2")
def clean(name):
    return name.lower()


@cl.task
def longer(name, by):
    return len(name) + by


@cl.task
def check(lengths):
    return sum(lengths) > 0


@cl.task(retries=2, backoff=1, timeout=60, fence="fresh", outlets=["model:ward"])
def train(lengths, epochs):
    Path("model.txt").write_text(f"{sum(lengths)} in {epochs}\n")
    return cl.File("model.txt")


@cl.task
def alarm():
    return ["no lengths"]


@cl.task
def again():
    return "whatever became of the alarm"


@cl.task(cache=False)
def report(model, due):
    return f"{model.read_text()} {due}"


@cl.task
def told(what):
    return str(what)


@cl.task
def nothing():
    return []


with cl.pipeline(
    "ward", on=[cl.cron("0 3 * * *", zone="Europe/Berlin"), cl.asset("dataset:data1")]
):
    epochs = cl.param("epochs", 3, 'passes over the "data"')
    due = cl.param("due", "")
    cleaned = clean.map(scans(cl.dataset("data1")))
    lengths = longer.map(cleaned, by=1)
    good = check(lengths)
    with cl.when(good):
        model = train(lengths, epochs)
    with cl.unless(good):
        warned = alarm()
        told.map(warned)
    again().after(warned)
    told(cl.either(model, warned))
    report(model, due)
    with cl.group("side"):
        empty = told.map(nothing())
        fixed = longer.map(["a", "bc"], by=2)
        told([empty, fixed])
