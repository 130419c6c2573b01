"""Mutants of documents: who signs them, what follows what, what only tightens; and of the look-up of domains."""

from typing import Final

from mutants.mutant import Mutant

_DOCUMENTS: Final = "tests/unit/relayd/store/test_documents.py::"
_ACCEPTANCE: Final = "tests/acceptance/test_document.py::"
_RESOLVER: Final = "tests/unit/relayd/test_resolver.py::"
_CONTRACT: Final = "tests/unit/relayproto/test_document.py::"

MUTANTS: Final = (
    Mutant(
        name="an-old-document-comes-back",
        story="A signed document is good for ever: whoever kept an old one loosens what was tightened since.",
        file="relayd/store/documents.py",
        old="    if (new.version, new.previous) != (before.version + 1, previous):\n",
        new="    if new.version > before.version + 1:\n",
        killers=(_DOCUMENTS + "test_only_the_version_after_the_one_in_force_is_taken",),
    ),
    Mutant(
        name="a-document-is-put-for-another-unit",
        story="The signature is checked and not for which unit it was given.",
        file="relayd/store/documents.py",
        old="    if new.unit != change.unit:\n",
        new="    if False:\n",
        killers=(_DOCUMENTS + "test_what_is_no_document_of_this_unit_is_refused",),
    ),
    Mutant(
        name="what-is-above-is-not-asked",
        story="A unit's document is checked for its form, and loosens what its ministry has locked.",
        file="relayd/store/documents.py",
        old="    if document.loosened(document.inherited(_above(commit, change.unit)), new):\n",
        new="    if False:\n",
        killers=(_DOCUMENTS + "test_what_stands_above_cannot_be_loosened",),
    ),
    Mutant(
        name="only-the-unit-right-above-is-asked",
        story="Inheritance is looked up one level: two levels down a lock is none.",
        file="relayd/store/documents.py",
        old="    way = (PLATFORM, *reversed(authority.chain(commit, unit)[1:]))\n",
        new="    way = authority.chain(commit, unit)[1:2]\n",
        killers=(_DOCUMENTS + "test_what_stands_above_cannot_be_loosened",),
    ),
    Mutant(
        name="what-was-said-last-counts",
        story="The lowest document replaces a lifetime instead of tightening it.",
        file="proto/relayproto/document.py",
        old="                holds[path] = _stricter(path, holds[path], value)\n",
        new="                holds[path] = value\n",
        killers=(_CONTRACT + "test_of_what_is_tightened_the_strictest_counts_wherever_it_stands",),
    ),
    Mutant(
        name="a-lock-is-a-prefix-of-letters",
        story="A lock on one notice locks every notice whose name begins like it.",
        file="proto/relayproto/document.py",
        old='    return any(begin in locked for begin in accumulate(path.split("."), "{}.{}".format))\n',
        new="    return any(path.startswith(lock) for lock in locked)\n",
        killers=(_CONTRACT + "test_what_was_locked_later_holds_against_what_stood_below_before",),
    ),
    Mutant(
        name="two-texts-are-one-document",
        story="What is signed is what was parsed: other bytes with the same meaning pass.",
        file="proto/relayproto/document.py",
        old="    if write(document) != octets:\n",
        new="    if False:\n",
        killers=(_CONTRACT + "test_what_is_not_in_that_form_can_be_parsed_and_is_no_document",),
    ),
    Mutant(
        name="documents-bound-nobody",
        story="Limits are shown in the administration's pages and never looked at when something is sent.",
        file="relayd/store/submissions.py",
        old="    return None if bounds is None else _out_of_bounds(work, bounds)\n",
        new="    return None\n",
        killers=(
            "tests/unit/relayd/store/test_submissions.py::test_a_document_bounds_what_its_people_send_at_once",
        ),
    ),
    Mutant(
        name="a-shorter-lifetime-waits-for-a-restart",
        story="The configuration is read when the process starts; what tightens counts from the next one on.",
        file="relayd/store/policies.py",
        old="    commit.tools.residents.forget_parties()\n",
        new="",
        killers=(_ACCEPTANCE + "test_a_document_counts_at_once_on_open_connections_and_is_gone_back_from",),
    ),
    Mutant(
        name="a-domain-is-proven-by-any-key",
        story="The record is there, so the domain is proven; whose key it names nobody compares.",
        file="relayd/services/domains.py",
        old="        proven = any(equal(expected, text.encode()) for text in texts if isinstance(text, str))\n",
        new="        proven = bool(texts)\n",
        killers=("tests/unit/relayd/services/test_domains.py",),
    ),
    Mutant(
        name="a-failed-look-up-is-an-empty-one",
        story="A name server that fails is taken for a domain without the record, or the other way round.",
        file="relayd/resolver.py",
        old="        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):\n",
        new="        except (dns.exception.DNSException, OSError):\n",
        killers=(_RESOLVER + "test_a_failing_name_server_is_an_error_and_not_an_empty_answer",),
    ),
)  # fmt: skip
