"""A server of the tests' own, and fetching from it."""

import threading
from http.server import ThreadingHTTPServer

import pytest

from archives import ARCHIVE, Handler, card
from tsniqa.data.download import fetch


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.files = {"/rated.zip": ARCHIVE}
    made.log, made.cuts, made.statuses = [], [], []
    made.tag, made.ranges, made.length, made.shift, made.hang = '"one"', True, True, 0, None
    made.conditional = True
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    if made.hang:
        made.hang.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def get(server, tmp_path, waits):
    """Fetch files of the server into a folder; the waiting between attempts is only recorded."""

    def run(*files, checksum=None, url=server.url):
        return fetch(
            card(*files or ["rated.zip"], checksum=checksum, url=url), tmp_path, waits.append
        )

    return run
