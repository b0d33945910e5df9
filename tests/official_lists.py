"""Whole screening lists in the official layouts: from a projection of the real one where it lies beside the project.

The projection holds every row of the list of a day, without street addresses and ids. It is no official layout, so it
is read here and written as one.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

from exposure.lists.sources.csl import HEADERS

ROOT = Path(__file__).parents[1]
# beside the project, or where the environment says
SHARED = Path(os.environ.get("EXPOSURE_SHARED_DATA", ROOT.parent / "shared" / "data"))
SANCTIONS = SHARED / "sanctions"
PROJECTION = SANCTIONS / "us_csl_projection_2026-07-31.json.gz"


def projected_records(path: Path = PROJECTION) -> list[dict[str, Any]]:
    """Return the records of the projection as the official JSON has them."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    tables = data["tables"]

    def looked_up(entry: dict[str, Any], key: str, table: str) -> str:
        return tables[table][entry[key]] if key in entry else ""

    return [
        {
            "id": f"{at:056x}",
            "source": tables["sources"][entry["s"]],
            "entity_number": entry.get("e"),
            "type": entry.get("t"),
            "programs": [looked_up(entry, "pg", "programmes")] if "pg" in entry else [],
            "name": entry["n"],
            "addresses": [{"address": None, "country": code} for code in entry.get("c", [])],
            "federal_register_notice": entry.get("fr"),
            "license_requirement": looked_up(entry, "lr", "licenceRequirements") or None,
            "license_policy": looked_up(entry, "lp", "licencePolicies") or None,
            "source_list_url": looked_up(entry, "u", "urls"),
            "alt_names": entry.get("a", []),
        }
        for at, entry in enumerate(data["entries"])
    ]


def synthetic_records(count: int = 26_000) -> list[dict[str, Any]]:
    """Return as many records of the same lengths and repetitions, made up: for speed, not for facts."""
    marks = (
        "(See §744.11 of the EAR)",
        "(See §§ 734.9(e)(2) and 744.11 of the EAR)4",
        "See § 734.9(g),3",
    )
    return [
        {
            "id": f"{at:056x}",
            "source": "Entity List (EL) - Bureau of Industry and Security"
            if at % 7 == 0
            else "Specially Designated Nationals (SDN) - Treasury Department",
            "entity_number": None if at % 7 == 0 else str(at),
            "type": "Entity",
            "programs": [] if at % 7 == 0 else ["SDGT", "SYRIA"],
            "name": f"Made Up Industrial Technology No. {at} Co., Ltd.",
            "addresses": [{"address": f"{at} Some Road", "city": "Wuhan", "country": "CN"}] * 2,
            "federal_register_notice": f"84 FR {10_000 + at}; 87 FR 62202" if at % 7 == 0 else None,
            "start_date": "2019-06-24" if at % 7 == 0 else None,
            "license_requirement": f"For all items subject to the EAR. {marks[at % 3]}" if at % 7 == 0 else None,
            "license_policy": "Presumption of denial" if at % 7 == 0 else None,
            "remarks": "Linked To: SOMEBODY ELSE ENTIRELY; " * 3,
            "alt_names": [f"MADE UP NO. {at}", f"Made-Up {at}"],
            "ids": [{"type": "Registration ID", "number": str(at), "country": "CN"}],
        }
        for at in range(count)
    ]  # fmt: skip


def json_edition(records: list[dict[str, Any]], day: str = "2026-07-31") -> bytes:
    """Return the official JSON of records, every field present."""
    whole = [
        dict.fromkeys(HEADERS[1]) | record if isinstance(record, dict) else record
        for record in records
    ]
    return json.dumps(
        {"search_performed_at": f"{day}T13:15:00+00:00", "results": whole}, ensure_ascii=False
    ).encode()


def csv_edition(records: list[dict[str, Any]], header: tuple[str, ...] = HEADERS[0]) -> bytes:
    """Return the official CSV of records: values of a cell joined by ``"; "``."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for record in records:
        cells = {name: _cell(record.get("id" if name == "_id" else name)) for name in header}
        writer.writerow(cells)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_joined(item) for item in value)
    return "" if value is None else str(value)


def _joined(item: Any) -> str:
    return (
        ", ".join(str(part) for part in item.values() if part) if isinstance(item, dict) else item
    )
