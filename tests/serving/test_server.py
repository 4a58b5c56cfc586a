from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import httpx
import pytest

from cloister.core.errors import BadInput, DurabilityLost
from cloister.serving import Address, HttpsServer, InferenceApp, ServerIdentity
from cloister.serving.tls import tls_context
from cloister.testing import onnx_models
from cloister.testing.inference import TOKEN, MemoryRecorder, Running, running, self_signed

QUESTION = {
    "inputs": [{"name": "X", "shape": [1, 3], "datatype": "FP32", "data": [2.0, 1.0, 3.0]}]
}


def _client(server: Running) -> httpx.Client:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.Client(
        base_url=server.url, verify=server.tls, headers=headers, trust_env=False, timeout=60
    )


def test_predictions_travel_over_tls_1_3_on_one_connection(app: InferenceApp) -> None:
    with running(app) as server, _client(server) as client:
        for index in range(3):
            response = client.post("/v2/models/risk/infer", json=QUESTION)
            assert response.json()["parameters"]["ledger_index"] == index
            stream = response.extensions["network_stream"]
            assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"


def test_a_server_leaves_no_thread_and_no_open_file(app: InferenceApp) -> None:
    threads, files = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    with running(app) as server, _client(server) as client:
        client.post("/v2/models/risk/infer", json=QUESTION)
    assert set(threading.enumerate()) == threads
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_port_in_use_is_said_so(app: InferenceApp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(port=taken.getsockname()[1])
        with pytest.raises(BadInput, match=r"cannot listen on 127\.0\.0\.1"):
            HttpsServer(app, address, self_signed()).run(lambda _: None)


def test_a_broken_record_ends_the_server(app: InferenceApp, recorder: MemoryRecorder) -> None:
    recorder.failure = DurabilityLost("fsync failed")
    server = HttpsServer(app, Address(), identity := self_signed())
    bound: list[int] = []
    ready, raised = threading.Event(), []

    def on_bound(port: int) -> None:
        bound.append(port)
        ready.set()

    def run() -> None:
        with pytest.raises(DurabilityLost) as failure:
            server.run(on_bound)
        raised.append(failure.value)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    authority = identity.certificate_pem.decode()
    tls = ssl.create_default_context(cadata=authority)
    with _client(Running(bound[0], tls, authority, server)) as client:
        assert client.post("/v2/models/risk/infer", json=QUESTION).status_code == 503
    thread.join(30)
    assert raised == [recorder.failure]


def test_a_key_that_does_not_fit_is_said_so() -> None:
    one, two = self_signed(), self_signed()
    with pytest.raises(BadInput, match="do not fit"):
        tls_context(ServerIdentity(one.certificate_pem, two.key_pem))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_and_not_the_program(tmp_path: Path, number: int) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(onnx_models.linear())
    program = textwrap.dedent("""
        import sys, pathlib, threading
        from cloister import serving
        from cloister.testing.inference import MemoryRecorder, self_signed, tokens, verified
        content = pathlib.Path(sys.argv[1]).read_bytes()
        model = serving.LoadedModel.load(verified(content), serving.Served("risk", "1"))
        app = serving.build_app(model, MemoryRecorder(), tokens())
        serving.serve(app, serving.Address(), self_signed(), lambda p: print(p, flush=True))
        print("ended with", threading.active_count(), "thread")
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "ended with 1 thread\n", "")


def test_importing_serving_loads_nothing_heavy() -> None:
    program = (
        "import sys, cloister.serving, cloister.models\n"
        "heavy = {'numpy', 'onnxruntime', 'starlette', 'uvicorn', 'onnx', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_long_computation_does_not_hold_up_the_end(recorder: MemoryRecorder) -> None:
    from cloister.serving import LoadedModel, Served, build_app
    from cloister.testing.inference import tokens, verified

    model = LoadedModel.load(verified(onnx_models.counting()), Served("risk", "1"))
    one = {"name": "N", "shape": [], "datatype": "INT64", "data": [2**62]}
    with running(build_app(model, recorder, tokens())) as server, _client(server) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v2/models/risk/infer", json={"inputs": [one]}, timeout=0.5)
        started = time.monotonic()
    assert time.monotonic() - started < 25
    assert recorder.facts == []
