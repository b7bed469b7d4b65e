"""What counts as an answer to those who use an API while it is broken."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.waiting import until
from workerkit.chaos.watch import Watch


class _Told(BaseHTTPRequestHandler):
    """Answers with each status in turn, then hangs up without one."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.server.statuses:
            self.close_connection = True
            return
        self.send_response(self.server.statuses.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def test_only_an_answer_below_500_is_fine():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Told)
    server.statuses = [200, 404, 499, 500, 503, 200]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watch = Watch("api", server.server_port, "/")
    watch.start()
    try:
        until(lambda: len(watch.answers) > 6)
    finally:
        watch.stop(5.0)
        server.shutdown()
        server.server_close()
    fine = [answer.fine for answer in watch.answers[:7]]
    assert fine == [True, True, True, False, False, True, False]
