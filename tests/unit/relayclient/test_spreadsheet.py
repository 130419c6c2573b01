"""People as spreadsheets have them: every usual form is read, every bad line is named."""

import pytest

from relayclient import spreadsheet
from relayclient.officer_errors import SheetUnreadable
from relayclient.spreadsheet import Fault, Line

HEAD = "Address,Name,Title\n"
TEXT = "address,name,title\nbob@gad.example,José Roy,Registrar\ncarol@gad.example,,\n"
LINES = [Line(2, "bob@gad.example", "José Roy", "Registrar"), Line(3, "carol@gad.example", "", "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_usual_form_says_the_same(encoding: str, separator: str, end: str) -> None:
    octets = TEXT.replace(",", separator).replace("\n", end).encode(encoding)

    assert spreadsheet.read(octets) == (LINES, [])


def test_columns_may_stand_anywhere_and_be_called_as_people_call_them() -> None:
    text = 'No;Designation; E-Mail ;Full  Name\n1;"Clerk; North";Bob@GAD.example;"Bob ""B"" Roy"\n\n;;;\n'

    assert spreadsheet.read(text.encode()) == (
        [Line(2, "bob@gad.example", 'Bob "B" Roy', "Clerk; North")], [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("bob,Bob,", "no address"), ("bob@gad.example,Bob", "2 fields"), ("a@b.example,x,y,z", "4 fields"),
        ("a@b.example," + "x" * 121 + ",", "its name is longer"), ("a@b.example,x,\u202egar", "its title is longer"),
        ("b@b.example,x\x07,", "its name"), ("a@b.example\u200d,x,", "no address"), ("first@b.example,x,", "in line 2"),
        ("FIRST@b.example,x,", "in line 2"), (",x,", "no address"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_and_spoils_no_other(row: str, why: str) -> None:
    text = f"{HEAD}first@b.example,First,\n{row}\nlast@b.example,Last,\n"

    lines, faults = spreadsheet.read(text.encode())

    assert [line.address for line in lines] == ["first@b.example", "last@b.example"]
    assert [fault.number for fault in faults] == [3]
    assert why in faults[0].why


def test_a_line_is_where_it_begins_also_after_one_that_spans_several() -> None:
    text = f'{HEAD}a@b.example,"A\nB",\nnone,,\n'

    assert spreadsheet.read(text.encode())[1] == [
        Fault(2, "a@b.example", "its name is longer than 120 characters, or has signs that cannot be seen"),
        Fault(4, "none", "that is no address"),
    ]


@pytest.mark.parametrize(
    "octets",
    [b"", b"name,title\n", b"address,mail\n", b"\xff\xfeaddress", b"address\n\x81\n", b'address\n"open',
     bytes(spreadsheet.OCTETS_MAX + 1)],
)  # fmt: skip
def test_what_is_no_sheet_of_people_is_told(octets: bytes) -> None:
    with pytest.raises(SheetUnreadable):
        spreadsheet.read(octets)


def test_thirteen_faulty_lines_of_two_thousand_are_named() -> None:
    rows = [f"officer{n}@gad.example,Officer {n},Clerk" for n in range(2_000)]
    for n in range(13):
        rows[n * 150] = f"officer{n * 150}.gad.example,Officer,Clerk"

    lines, faults = spreadsheet.read((HEAD + "\n".join(rows)).encode())

    assert len(lines) == 1_987
    assert [fault.number for fault in faults] == [n * 150 + 2 for n in range(13)]
