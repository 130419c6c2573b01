"""One target under atheris, in a process of its own: libFuzzer ends it, and keeps its coverage in globals.

A target's name and libFuzzer's own options enter; what it prints, and the bytes of a finding as a file, leave. Run by
``fuzz.run``, never imported: ``python -m fuzz.one NAME -max_total_time=60 DIRECTORY``.
"""

import sys

import atheris

PACKED = frozenset({"frame", "message", "act", "paper", "content"})
"""What is msgpack right behind a byte or two."""

if __name__ == "__main__":
    with atheris.instrument_imports(include=["relayproto", "relayclient.spreadsheet"]):
        from fuzz.catalogue import BROKEN, TARGETS
    from fuzz.mutator import mutated

    name = sys.argv.pop(1)
    sys.argv[0] = f"{sys.executable} -m fuzz.one {name}"  # libFuzzer calls itself where it merges corpora
    one = TARGETS.get(name, BROKEN).one
    if name in PACKED:
        atheris.Setup(sys.argv, one, custom_mutator=lambda *given: mutated(*given, otherwise=atheris.Mutate))
    else:
        atheris.Setup(sys.argv, one)
    atheris.Fuzz()
