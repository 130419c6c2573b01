"""The command line that people use: ``relay VERB``, one file a verb.

Each verb's file says what it takes (``add``) and does it (``run``), and is imported when it is asked for: ``verbs`` has
their names. ``main`` puts them together and is the border where an error becomes one line and an exit status.
"""
