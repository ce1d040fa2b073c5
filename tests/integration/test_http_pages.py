"""What the staff's pages ask of the API beside lists: pictures of pages, places on them, what waits for a person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tests.integration.http_server import Server, serving

KEY = "a-key-of-more-than-sixteen-letters"
LINE = "The call-out fee of the second page is 65 pounds."


@pytest.fixture
def http(api: Server) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def kb(http: httpx.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name[:60].replace("[", "-").replace("]", "")
    assert http.post("/api/knowledge-bases", json={"name": name}).status_code == 201
    yield name
    assert http.delete(f"/api/knowledge-bases/{name}").status_code == 204


def a_pdf() -> bytes:
    held = BytesIO()
    canvas = Canvas(held, pagesize=A4)
    canvas.drawString(72, 760, "The first page tells who we are and where our shops are.")
    canvas.showPage()
    canvas.drawString(72, 300, LINE)
    # Dark, so that the picture shows where the place has to be.
    canvas.rect(72, 296, 300, 14, fill=1)
    canvas.showPage()
    canvas.save()
    return held.getvalue()


def problem(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["type"]


def test_a_passage_is_shown_where_it_stands_on_its_page(api: Server, http: httpx.Client, kb: str) -> None:
    api.upload(("fees.pdf", a_pdf()), kb=kb)
    document = api.settled(kb)["fees.pdf"]
    chunks = http.get(f"/api/documents/{document['id']}/chunks").json()["chunks"]
    (box,) = [box for chunk in chunks if LINE in chunk["text"] for box in chunk["boxes"] if box["page"] == 2]
    reply = http.get(f"/api/documents/{document['id']}/pages/2.png")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    page = Image.open(BytesIO(reply.content)).convert("L")
    assert page.width == 1000
    dark = Image.eval(page, lambda value: 255 if value < 128 else 0).getbbox()
    assert dark is not None
    assert dark[1] / page.height == pytest.approx(box["y0"], abs=0.015)
    assert dark[0] / page.width == pytest.approx(box["x0"], abs=0.015)
    assert http.get(f"/api/documents/{document['id']}/pages/2.png").content == reply.content


@pytest.mark.parametrize("page", ["3.png", "999999.png"])
def test_pages_that_are_not_there(api: Server, http: httpx.Client, kb: str, page: str) -> None:
    api.upload(("fees.pdf", a_pdf()), ("fees.txt", LINE.encode()), kb=kb)
    documents = api.settled(kb)
    assert problem(http.get(f"/api/documents/{documents['fees.pdf']['id']}/pages/{page}")) == (404, "not_found")
    assert problem(http.get(f"/api/documents/{documents['fees.txt']['id']}/pages/1.png")) == (404, "not_found")
    identity = documents["fees.pdf"]["id"]
    assert problem(http.get(f"/api/documents/{identity}/pages/1.png", params={"version": "x"})) == (404, "not_found")
    assert problem(http.get("/api/documents/nothing/pages/1.png")) == (404, "not_found")
    assert problem(http.get(f"/api/documents/{identity}/pages/0.png")) == (422, "invalid_request")


def test_what_waits_for_a_person(api: Server, http: httpx.Client, kb: str) -> None:
    assert http.get(f"/api/knowledge-bases/{kb}/review").json() == {"kb": kb, "drafts": [], "moved": []}
    api.upload(("fees.txt", LINE.encode()), kb=kb)
    document = api.settled(kb)["fees.txt"]
    (chunk,) = http.get(f"/api/documents/{document['id']}/chunks").json()["chunks"]
    wording = {"text": "A call-out costs 65 pounds.", "by": "Ann"}
    assert http.put(f"/api/documents/{document['id']}/chunks/{chunk['id']}", json=wording).status_code == 200
    assert http.get(f"/api/knowledge-bases/{kb}/review").json()["moved"] == []

    api.upload(("fees.txt", b"Nothing is charged for a call-out any more."), kb=kb)
    api.settled(kb)
    files = [("files", ("new.txt", b"From May on a repair costs 90 pounds."))]
    http.post(f"/api/knowledge-bases/{kb}/documents", files=files, data={"draft": "true"})
    api.settled(kb)
    found = http.get(f"/api/knowledge-bases/{kb}/review").json()
    assert [each["document"] for each in found["drafts"]] == ["new.txt"]
    assert [each["document"] for each in found["moved"]] == ["fees.txt"]
    assert problem(http.get("/api/knowledge-bases/no such base/review")) == (404, "not_found")


def test_nothing_is_stalled_while_all_is_well(http: httpx.Client) -> None:
    assert http.get("/api/system").json()["ingestion"]["stalled"] == []


def test_an_upload_over_a_sources_document_is_kept_by_the_next_look(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "fees.txt").write_text(LINE)
    (share / "hours.txt").write_text("We are open from nine to five.")
    with (
        serving(tmp_path / "home", FRONTDESK_API_KEY=KEY, FRONTDESK_SOURCE_FOLDERS=str(share)) as server,
        server.client() as http,
    ):
        url = "/api/knowledge-bases/default/sources"
        source = http.post(url, json={"address": str(share)}).json()

        def look() -> dict[str, object]:
            before, end = http.get(f"{url}/{source['id']}").json()["checked_at"], time.monotonic() + 60
            assert http.post(f"{url}/{source['id']}/sync").status_code == 202
            while True:
                seen = http.get(f"{url}/{source['id']}").json()
                if seen["state"] == "idle" and seen["checked_at"] != before:
                    server.settled()
                    return dict(seen["outcome"])
                assert time.monotonic() < end, seen
                time.sleep(0.1)

        assert sorted(look()["new"]) == ["fees.txt", "hours.txt"]
        server.upload(("fees.txt", b"What a person wrote about fees."))
        assert server.settled()["fees.txt"]["source"] == ""
        (share / "fees.txt").unlink()
        assert look()["gone"] == []
        assert sorted(server.documents()) == ["fees.txt", "hours.txt"]
