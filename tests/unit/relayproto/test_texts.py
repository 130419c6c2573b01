import pytest

from relayproto.limits import SHOWN_CHARS_MAX
from relayproto.texts import presentable


@pytest.mark.parametrize(
    "text",
    [
        "Bob Roy",
        "Bob   Roy",
        "\u2764\ufe0f",
        "7",
        "José Núñez",
        "N'Diaye",
        "\u0936\u094d\u200d\u0930\u0940",
        "x" * SHOWN_CHARS_MAX,
    ],
)
def test_what_people_are_called_can_be_shown(text) -> None:
    assert presentable(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " Bob",
        "Bob ",
        "a\nb",
        "a\x1bb",
        "a\u202eb",
        "\u200d",
        "\ue000",
        "\ud800",
        "\u3164",
        "Bob\u3164",
        "\u2800",
        "\u115fa",
        "\u0301",
        "\u0301\u0302",
        "\u0301 \u0301",
        "a    b",
        "a\u3000\u2003\u00a0 b",
        "x" * (SHOWN_CHARS_MAX + 1),
    ],
)
def test_what_hides_turns_or_breaks_a_line_cannot_be_shown(text) -> None:
    assert not presentable(text)
