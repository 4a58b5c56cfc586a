"""Pipelines that tests run, written as a user would."""

MAIN = """
from pathlib import Path
import cloister as cl

@cl.task
def download(scans):
    return sorted(str(p.relative_to(scans)) for p in Path(scans).rglob("*.txt"))

@cl.task(retries=1)
def check(names):
    assert names, "nothing there"
    return {"count": len(names), "patients": len({n.split("/")[0] for n in names})}

@cl.task(fence="fresh")
def train(found):
    Path("model.txt").write_text(f"trained on {found['count']}\\n")
    return cl.File("model.txt")

@cl.task
def serve(model, note="live"):
    print("serving", model.name)
    return model.read_text() + note

with cl.pipeline("ward"):
    note = cl.param("note", "live", "what to say")
    found = check(download(cl.dataset("data1")))
    serve(train(found), note=note)
"""

CHAIN = """
import cloister as cl

@cl.task
def numbers():
    return [1, 2, 3]

@cl.task
def total(values):
    return sum(values)

@cl.task
def report(value):
    return f"total {value}"

@cl.task
def notify():
    return None

with cl.pipeline("chain"):
    numbers >> total >> [report, notify]
"""
