"""A pipeline with a branch, a map, a task that may fail, and a page at its end."""

import base64
import time
from pathlib import Path

import cloister as cl

DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAGE = """# The ward

Trained for **{epochs} epochs**. <script>alert(1)</script> ![a dot](dot.png)
![elsewhere](https://example.org/x.png) [further](https://example.org/)

| part | loss |
|---|---|
| 1 | 0.50 |
| 2 | 0.25 |

```plot
epoch,loss
1,0.5
2,0.25
3,0.2
```
"""


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


@cl.task(outlets="page:report.md")
def report(model):
    Path("dot.png").write_bytes(base64.b64decode(DOT))
    Path("report.md").write_text(PAGE.format(epochs=model["epochs"]))
    return [cl.File("report.md"), cl.File("dot.png")]


with cl.pipeline(
    "ward", on=[cl.cron("0 3 * * *", zone="Europe/Berlin"), cl.asset("dataset:stays")]
):
    epochs = cl.param("epochs", 2, "passes over the data")
    parts = part.map(folds(read(cl.dataset("stays"))))
    model = train(parts, epochs)
    with cl.unless(good(parts)):
        refuse(parts)
    report(model)
