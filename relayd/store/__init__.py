"""The store room: SQL lives here and nowhere else.

Works enter - submissions, acknowledgements, verbs; after their commit was synced, replies, entries and holes leave.
"""

from relayd.store.interventions import By
from relayd.store.stamps import Tracing
from relayd.store.store import Store
from relayd.store.telling import Ears
from relayd.store.works import Settle, Settlement

__all__ = ["By", "Ears", "Settle", "Settlement", "Store", "Tracing"]
