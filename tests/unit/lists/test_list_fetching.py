"""Fetching from the agencies, against a server of our own: what comes is kept whole, or nothing is."""

from __future__ import annotations

import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from exposure.content import ContentRoot, shipped_root
from exposure.errors import ContentError, ListError, UsageError
from exposure.lists import fetching
from exposure.lists.fetching import Agency, fetch_lists, load_agencies
from tests.official_lists import csv_edition, json_edition

TODAY = date(2026, 8, 1)
RECORDS = [{"source": "Entity List (EL) - B", "name": "Sugon"}]
PAGE = (b'<DIV5><DIV9 N="Supplement No. 4 to Part 744"><TR><TD>CHINA</TD><TD>Sugon</TD><TD>EAR</TD><TD/>'
        b"<TD>84 FR 29373</TD></TR></DIV9></DIV5>")  # fmt: skip
PAGES = {
    "/c.json": json_edition(RECORDS),
    "/c.csv": csv_edition(RECORDS),
    "/sorry": b"<html><body>Down for maintenance</body></html>",
    "/titles.json": json.dumps(
        {"titles": [{"number": 14}, {"number": 15, "up_to_date_as_of": "2026-07-30"}]}
    ).encode(),
    "/untitled.json": b'{"titles": []}',
    "/full/2026-07-30/t.xml?part=744": PAGE,
    "/full/2023-03-31/t.xml?part=744": PAGE,
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGES.get(self.path)
        if self.path == "/slow":
            self.server.slow.wait(5)
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            return
        self.send_response(200 if body is not None else 404)
        if self.path != "/titles.json":
            self.send_header("Last-Modified", "Fri, 31 Jul 2026 13:15:00 GMT")
        self.end_headers()
        self.wfile.write(body or b"gone")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    httpd = HTTPServer(("127.0.0.1", 0), _Handler)
    httpd.slow = threading.Event()
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.slow.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def agency(*urls, name="csl", dates=None, routine=True):
    return {name: Agency(name, "somebody", "a list", urls, dates, routine)}


def fetch(agencies, folder, *chosen, **more):
    return fetch_lists(agencies, chosen, folder, **({"read_on": TODAY} | more))


def test_a_file_is_fetched_and_read_with_its_address(server, tmp_path):
    (snapshot,) = fetch(agency(f"{server}/c.json"), tmp_path)

    assert snapshot.counts() == {"EL": 1}
    assert snapshot.address == f"{server}/c.json"
    assert (snapshot.edition_date, snapshot.current_on) == (date(2026, 7, 31), TODAY)


def test_a_file_without_a_day_takes_the_servers(server, tmp_path):
    (snapshot,) = fetch(agency(f"{server}/c.csv"), tmp_path)

    assert snapshot.edition_date == date(2026, 7, 31)


def test_the_page_of_a_day_is_asked_for_by_its_newest_day_or_ours(server, tmp_path):
    ecfr = agency(
        f"{server}/full/{{date}}/t.xml?part=744", name="ecfr", dates=f"{server}/titles.json"
    )

    (newest,) = fetch(ecfr, tmp_path)
    (old,) = fetch(ecfr, tmp_path, edition_date=date(2023, 3, 31))

    assert (newest.edition_date, old.edition_date) == (date(2026, 7, 30), date(2023, 3, 31))
    assert old.current_on == date(2023, 3, 31)  # what the agency has today, it does not tell
    assert "/full/2023-03-31/" in old.address


def test_only_routine_agencies_are_asked_unless_named(server, tmp_path):
    both = agency(f"{server}/c.json") | agency(f"{server}/nowhere", name="sdn", routine=False)

    assert len(fetch(both, tmp_path)) == 1
    with pytest.raises(ListError, match="nowhere can't be fetched"):
        fetch(both, tmp_path, "sdn")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/missing", "answers 404 Not Found"),
        ("/sorry", "is a web page"),
        ("/cut", "no official list"),
    ],
)
def test_an_answer_that_is_no_list_is_refused(server, tmp_path, path, says):
    with pytest.raises(ListError) as caught:
        fetch(agency(f"{server}{path}"), tmp_path)

    assert says in caught.value.render()


def test_a_server_that_does_not_answer_is_given_up(server, tmp_path):
    with pytest.raises(ListError, match="can't be fetched; nothing was changed") as caught:
        fetch(agency(f"{server}/slow"), tmp_path, timeout=0.2)

    assert "timed out" in caught.value.render()


def test_an_endless_answer_is_cut_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_BYTES", 10)

    with pytest.raises(ListError) as caught:
        fetch(agency(f"{server}/c.csv"), tmp_path)

    assert "no list has" in caught.value.render()


def test_without_a_network_one_line_says_what_to_do(tmp_path):
    with pytest.raises(ListError) as caught:
        fetch(agency("http://agency.invalid/c.json"), tmp_path)

    assert "agency.invalid: can't be reached" in caught.value.render()
    assert "exposure data refresh --from FILE" in caught.value.cure


def test_a_page_that_names_no_day_is_refused(server, tmp_path):
    ecfr = agency(f"{server}/full/{{date}}/t.xml", name="ecfr", dates=f"{server}/untitled.json")

    with pytest.raises(ListError, match="does not say which day title 15 is of"):
        fetch(ecfr, tmp_path)


def test_a_slip_in_an_agency_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'csl'"):
        fetch(agency("http://x/c"), tmp_path, "cls")


def test_the_shipped_addresses_are_the_agencies_own():
    agencies = load_agencies(ContentRoot(shipped_root(), "test"))

    assert {"csl", "cons", "sdn", "ecfr"} == set(agencies)
    hosts = {url.split("/")[2] for one in agencies.values() for url in one.urls}
    assert hosts == {"data.trade.gov", "sanctionslistservice.ofac.treas.gov", "www.ecfr.gov"}
    assert agencies["ecfr"].dates is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[csl]\npublisher = "a"\nholds = "b"\nurls = ["file:///etc/passwd"]\n',
            "needs http or https",
        ),
        ('[csl]\npublisher = "a"\nholds = "b"\nurl = "http://x"\n', "did you mean 'urls'"),
        ('[csl]\npublisher = "a"\nholds = "b"\n', "needs a key 'urls'"),
        ('csl = "http://x"\n', "is no table"),
    ],
)
def test_addresses_are_checked_like_all_content(tmp_path, text, says):
    folder = tmp_path / "factors" / "lists"
    folder.mkdir(parents=True)
    (folder / "agencies.toml").write_text(text)

    with pytest.raises(ContentError) as caught:
        load_agencies(ContentRoot(tmp_path, "test"))

    assert says in caught.value.render()
