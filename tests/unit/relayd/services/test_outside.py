import asyncio
import contextlib

import pytest

from relayd.domain.refusals import Fault
from relayd.services.outside import LINE_BYTES_MAX, Outside
from relayproto.codes import Code


@contextlib.asynccontextmanager
async def saying(path, octets: bytes, *, close: bool = True):
    heard: list[bytes] = []

    async def session(reader, writer) -> None:
        heard.append(await reader.readline())
        writer.write(octets)
        await writer.drain()
        if not close:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(session, path=path):
        yield heard


async def test_one_line_of_json_goes_out_and_one_comes_back(tmp_path) -> None:
    async with saying(tmp_path / "unit", b'{"carried": 3}\nmore') as heard:
        answer = await Outside(tmp_path / "unit").ask({"records": 3})

    assert (heard, answer) == ([b'{"records":3}\n'], {"carried": 3})


NESTED = b'{"carried":' + b"[" * 30_000 + b"]" * 30_000 + b"}\n"
"""Within a line's length, and deeper than a decoder of JSON goes."""


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"{}", b"nonsense\n", b"[]\n", b'"x"\n', b"\xff\n", b'{"a":1e999}\n', b'{"a":"\\ud800"}\n', NESTED,
        b"x" * (LINE_BYTES_MAX + 1) + b"\n",
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_a_fault(tmp_path, octets: bytes) -> None:
    async with saying(tmp_path / "unit", octets):
        with pytest.raises(Fault) as fault:
            await Outside(tmp_path / "unit").ask({})

    assert fault.value.code is Code.UNAVAILABLE


async def test_a_unit_that_says_nothing_is_not_waited_for(tmp_path) -> None:
    async with saying(tmp_path / "unit", b"", close=False):
        with pytest.raises(Fault):
            await Outside(tmp_path / "unit", timeout_s=0.1).ask({})
