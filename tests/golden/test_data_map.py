"""The published data map is what the relay's own says."""

from support.generate_data_map import PATH, generate


def test_the_page_is_what_the_map_says() -> None:
    assert PATH.read_text(encoding="utf-8") == generate(), "make vectors writes it again"
