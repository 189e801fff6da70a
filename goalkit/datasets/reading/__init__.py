"""Read labelled texts from files, data frames and an app's feedback. Every bad row is reported."""

from goalkit.datasets.reading.columns import Columns, Labels, Renaming, find_columns
from goalkit.datasets.reading.encodings import AUTO
from goalkit.datasets.reading.feedback import read_feedback
from goalkit.datasets.reading.gathering import Record, gather
from goalkit.datasets.reading.sources import Source, csv_source, delimiter_of, file_source, hub_source, source_of

__all__ = [
    "AUTO",
    "Columns",
    "Labels",
    "Record",
    "Renaming",
    "Source",
    "csv_source",
    "delimiter_of",
    "file_source",
    "find_columns",
    "gather",
    "hub_source",
    "read_feedback",
    "source_of",
]
