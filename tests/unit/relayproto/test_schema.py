"""What a document may say is what the enumerations have; what the parser makes of it is test_document's."""

from relayproto.codes import Class
from relayproto.schema import Actions, Lifetimes, Policy, Targets, Viewers, Visibility
from relayproto.standing import Action, Field, Standing, Viewer


def test_the_schema_has_every_standing_action_class_field_and_viewer() -> None:
    standings, actions = [each.name.lower() for each in Standing], [each.name.lower() for each in Action]

    assert [*Policy.__struct_fields__] == [*Targets.__struct_fields__] == standings
    assert [*Actions.__struct_fields__] == actions
    assert [*Lifetimes.__struct_fields__] == [f"{each.name.lower()}_s" for each in Class]
    assert [*Visibility.__struct_fields__] == [each.name.lower() for each in Field]
    assert [*Viewers.__struct_fields__] == [each.name.lower() for each in Viewer]
