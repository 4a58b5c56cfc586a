"""The addresses of the Open Inference Protocol 2, for one model."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cloister import __version__
from cloister.serving.health import Health
from cloister.serving.inference import Inference
from cloister.serving.session import LoadedModel
from cloister.serving.tensors import Port


def routes_for(model: LoadedModel, inference: Inference, health: Health) -> list[Route]:
    """Every address the server answers at."""

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        fine = health.good
        return JSONResponse({"live": True, "ready": fine}, 200 if fine else 503)

    async def server(_: Request) -> Response:
        extensions = ["binary_tensor_data"]
        return JSONResponse(
            {"name": "cloister", "version": __version__, "extensions": extensions}
        )

    async def metadata(request: Request) -> Response:
        _check_address(request, model)
        return JSONResponse(_metadata(model))

    async def infer(request: Request) -> Response:
        _check_address(request, model)
        return await inference(request)

    async def model_ready(request: Request) -> Response:
        _check_address(request, model)
        fine = health.good
        return JSONResponse({"name": model.served.name, "ready": fine}, 200 if fine else 503)

    routes = [Route("/v2", server), Route("/v2/", server)]
    routes += [Route("/v2/health/live", live), Route("/v2/health/ready", ready)]
    for address in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(address, metadata),
            Route(f"{address}/ready", model_ready),
            Route(f"{address}/infer", infer, methods=["POST"]),
        ]
    return routes


def _metadata(model: LoadedModel) -> dict[str, object]:
    def tensor(port: Port) -> dict[str, object]:
        return {"name": port.spec.name, "datatype": port.datatype.name, "shape": port.shape}

    return {
        "name": model.served.name,
        "versions": [model.served.version],
        "platform": "onnx_onnxv1",
        "inputs": [tensor(port) for port in model.inputs],
        "outputs": [tensor(port) for port in model.outputs],
    }


def _check_address(request: Request, model: LoadedModel) -> None:
    asked = request.path_params
    if asked["model"] != model.served.name:
        raise HTTPException(404, "no such model on this server")
    if asked.get("version", model.served.version) != model.served.version:
        raise HTTPException(404, "no such version of this model")
