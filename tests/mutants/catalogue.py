"""All mutants, in the order of a message's way."""

from typing import Final

from mutants import (
    of_commits,
    of_connections,
    of_delivery,
    of_devices,
    of_documents,
    of_officers,
    of_organisations,
    of_profiles,
    of_registration,
    of_rosters,
    of_statistics,
)
from mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *of_commits.MUTANTS, *of_connections.MUTANTS, *of_delivery.MUTANTS, *of_devices.MUTANTS, *of_organisations.MUTANTS,
    *of_documents.MUTANTS, *of_officers.MUTANTS, *of_profiles.MUTANTS, *of_registration.MUTANTS, *of_rosters.MUTANTS,
    *of_statistics.MUTANTS,
)  # fmt: skip
