"""Where a story goes: one file a destination, its limits and how it is handed over and taken back.

Pure hand-over logic: all that it reads or writes comes through `frame.Tools`; no database, no Prefect.
"""
