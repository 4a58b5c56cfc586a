"""The environment of a job: an allow-list of the user's, and switches against telemetry."""

from __future__ import annotations

from collections.abc import Mapping

from cloister.fence import system

_ALLOWED = frozenset(
    {
        "PATH", "LANG", "LANGUAGE", "TERM", "COLORTERM", "NO_COLOR", "TZ", "VIRTUAL_ENV",
        "CONDA_PREFIX", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "CUDA_HOME",
        "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "MKL_NUM_THREADS", "MKL_CBWR",
        "MKL_DYNAMIC", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "ONEDNN_MAX_CPU_ISA",
        "ATEN_CPU_CAPABILITY", "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER", "TF_DETERMINISTIC_OPS", "XLA_FLAGS", "LOKY_MAX_CPU_COUNT",
        "NPY_DISABLE_CPU_FEATURES", "MKL_ENABLE_INSTRUCTIONS", "OMP_DYNAMIC",
        "PYTHON_CPU_COUNT",
    }
)  # fmt: skip
_ALLOWED_PREFIX = "LC_"

_FIXED = {
    "HOME": system.HOME, "USER": system.USER, "LOGNAME": system.USER, "SHELL": "/bin/sh",
    "TMPDIR": system.TEMPORARY,
    "PYTHONDONTWRITEBYTECODE": "1",  # caches in the working folder are no output
    "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False", "ANONYMIZED_TELEMETRY": "False",
    "SCARF_NO_ANALYTICS": "true", "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "offline",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1", "ORT_DISABLE_TELEMETRY": "1",
}  # fmt: skip


def job_environment(host: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Allowed variables of ``host``, the fence's own, and ``extra``, which wins.

    Nothing else crosses: tokens, proxies and agents' sockets live in environments.
    """
    allowed = {
        name: value
        for name, value in host.items()
        if name in _ALLOWED or name.startswith(_ALLOWED_PREFIX)
    }
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **allowed, **_FIXED, **extra}
