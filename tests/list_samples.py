"""The whole Consolidated Screening List of 2026-07-31 of the shared data folder, in the official layout.

The folder holds a projection of the list; writing it back into the official columns lets the real importer read it.
Nothing of it is shipped.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from datetime import date
from pathlib import Path

from exposure.lists.snapshot import Snapshot
from exposure.lists.sources.csl import HEADERS, read_csl

ROOT = Path(__file__).parents[1]
# beside the project, or where the environment says
SAMPLES = (
    Path(os.environ.get("EXPOSURE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "sanctions"
)
PROJECTION = SAMPLES / "us_csl_projection_2026-07-31.json.gz"
EDITION = date(2026, 7, 31)
TABLES = {
    "source": ("s", "sources"),
    "programs": ("pg", "programmes"),
    "source_list_url": ("u", "urls"),
    "license_requirement": ("lr", "licenceRequirements"),
    "license_policy": ("lp", "licencePolicies"),
}
CELLS = {"name": "n", "type": "t", "entity_number": "e", "federal_register_notice": "fr"}
LISTS = {"addresses": "c", "alt_names": "a"}


def write_csl(path: Path) -> Path:
    """Write the projection as ``consolidated.csv``; addresses are countries only."""
    data = json.loads(gzip.decompress(PROJECTION.read_bytes()))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, HEADERS[0], restval="")
        writer.writeheader()
        for number, entry in enumerate(data["entries"]):
            row = {"_id": str(number)}
            row |= {name: entry.get(key) or "" for name, key in CELLS.items()}
            row |= {name: "; ".join(entry.get(key) or []) for name, key in LISTS.items()}
            row |= {
                name: data["tables"][table][entry[key]]
                for name, (key, table) in TABLES.items()
                if entry.get(key) is not None
            }
            writer.writerow(row)
    return path


def whole_list(folder: Path) -> Snapshot:
    """Return the whole list, read by the importer."""
    return read_csl(write_csl(folder / "consolidated.csv"), edition_date=EDITION, read_on=EDITION)
