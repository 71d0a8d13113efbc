"""Archives made for tests, a card that names them, and a server that hands them out."""

import hashlib
import io
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tsniqa.data.cards import DatasetCard
from tsniqa.errors import DataError

PICTURE = bytes(range(256)) * 1200  # 307,200 bytes, which deflate is not allowed to shrink


def zipped(**members):
    """A zip archive; ``__`` in a keyword stands for ``/``."""
    return zipped_as({name.replace("__", "/"): content for name, content in members.items()})


def zipped_as(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(mode, *members):
    """A tar archive of pairs (member or name, content)."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


ARCHIVE = zipped(rated__a="first", rated__images__b=PICTURE)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        server.log.append((self.path, asked, condition))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.end_headers()
            return
        content = server.files.get(self.path)
        if content is None:
            self.send_response(404)
            self.end_headers()
            return
        begin = 0
        if asked and server.ranges and (condition in (None, server.tag) or not server.conditional):
            begin = int(asked.removeprefix("bytes=").removesuffix("-")) + server.shift
            if begin >= len(content):
                self.send_response(416)
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.length:
            self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        stop = begin + server.cuts.pop(0) if server.cuts else len(content)
        self.wfile.write(content[begin:stop])
        self.wfile.flush()
        if stop < len(content) and server.hang:
            server.hang.wait()

    def log_message(self, *_):
        pass


def card(*files, checksum=None, url="", **attributes):
    known = {
        "name": "rated",
        "title": "Rated",
        "images": 2,
        "distortions": "none",
        "rating": "1 to 5",
        "mos_range": (1, 5),
        "licence": "CC0",
        "access": "download",
        "how": "Fill in the form.",
        "homepage": "https://example.org/rated",
        "folders": ["rated"],
        "reader": "bid",
        "markers": ["a"],
        "citation": "Us (2024)",
        "confirmed": [],
        "downloads": [
            {
                "url": f"{url}/{file}",
                "file": file,
                "checksum": checksum,
                "source": "https://example.org/sums",
            }
            for file in files
        ],
    }
    return DatasetCard.model_validate(known | attributes)


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def refusal(get, *files, **options):
    with pytest.raises(DataError) as error:
        get(*files, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


def names(folder):
    """What lies in a folder, without records and locks."""
    kept = (path.name for path in Path(folder).iterdir())
    return sorted(name for name in kept if not name.endswith((".lock", ".unpacked")))


def ranges(server):
    return [asked for _, asked, _ in server.log]
