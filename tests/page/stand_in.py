"""A stand-in for the router: the page's files with the router's headers, and scripted answers.

A script is a list of steps: a dict is sent as one event, a str as it is, a Gate waits until the
test opens it, BREAK closes the connection in the middle. A Refusal is an error answer.
"""

import json
import pathlib
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pictures import digest, scene

PAGE = pathlib.Path(__file__).resolve().parents[2] / "router/page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
BREAK = object()
DONE = "data: [DONE]\n\n"


class Gate:
    """Holds an answer back until the test opens it."""

    def __init__(self):
        self._open = threading.Event()
        self.left = threading.Event()  # the client went away while it waited

    def open(self):
        self._open.set()

    def hold(self, connection):
        """False: the client went away."""
        while not self._open.wait(0.02):
            readable, _, _ = select.select([connection], [], [], 0)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                self.left.set()
                return False
        return True


class Refusal:
    def __init__(self, status, message, body=None):
        self.status = status
        self.body = body or json.dumps(
            {
                "error": {
                    "message": message,
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                }
            }
        )


def chunk(text="", **fields):
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
        **fields,
    }


def chat_end(reason="stop"):
    return [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {"choices": [], "usage": {"prompt_tokens": 41, "completion_tokens": 7, "total_tokens": 48}},
        DONE,
    ]


def answer(*pieces, reason="stop"):
    """A chat's whole script; Gates may stand between pieces."""
    return [chunk(piece) if isinstance(piece, str) else piece for piece in pieces] + chat_end(
        reason
    )


def article_text(*pieces):
    return [{"article": {"text": piece}} for piece in pieces]


class StandIn:
    """`chats` and `articles` are queues of scripts; where one is empty, a plain answer is given."""

    def __init__(self):
        self.models = ["pictogram", "internlm-xcomposer2-7b"]
        self.chats, self.articles = [], []
        self.requests = []  # (path, body as JSON) of POSTs
        self.pictures = {}  # SHA-256: PNG bytes
        self.key = None  # that calls have to bear
        stand_in = self

        class Handler(RouterHandler):
            def __init__(self, *args):
                self.stand_in = stand_in
                super().__init__(*args)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def add_picture(self, kind, sky=0):
        picture = scene(kind, sky)
        self.pictures[digest(picture)] = picture
        return digest(picture)

    def illustration(
        self, after, caption, kind, chosen=1, licence="CC0", source="drawn for the tests"
    ):
        """Four candidates of one kind under four skies; as in proto3's JSON without zeros and empty
        fields."""
        digests = [self.add_picture(kind, sky) for sky in range(4)]
        candidates = [
            {"image_sha256": d, "description": f"{kind} {i}", "score": 4.5 - i}
            for i, d in enumerate(digests)
        ]
        fields = {
            "after_paragraph": after,
            "caption": caption,
            "image_sha256": digests[chosen],
            "image_url": f"/v1/pictures/{digests[chosen]}",
            "chosen": chosen,
            "candidates": candidates,
            "licence": licence,
            "source": source,
        }
        return {"illustration": {key: value for key, value in fields.items() if value}}

    def harbour(self, *gates):
        """An article of a heading and three paragraphs, two pictures in it. Up to four gates: after
        the first line, after the text, after the places, after the first picture."""
        gates = [[gate] for gate in gates] + [[]] * (4 - len(gates))
        first = self.illustration(0, "A boat in the morning", "boat", source="", chosen=0)
        second = self.illustration(2, "The old lighthouse", "lighthouse")
        return [
            {"started": {"request_id": "r", "model": "pictogram", "seed": "18446744073709551615"}},
            *article_text("# A day at the ", "harbour\n"),
            *gates[0],
            *article_text(
                "\nBoats leave **early**, while the town still sleeps.\n\n",
                "The lighthouse has watched ",
                "over them for a century.\nIn the evening the gulls come back.",
            ),
            *gates[1],
            {"placement": {"caption": "A boat in the morning"}},
            {"placement": {"after_paragraph": 2, "caption": "The old lighthouse"}},
            *gates[2],
            first,
            *gates[3],
            second,
            {
                "finished": {
                    "title": "A day at the harbour",
                    "markdown": "# A day at the harbour\n",
                    "illustrations": [first["illustration"], second["illustration"]],
                }
            },
            DONE,
        ]


class RouterHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in = None

    def log_message(self, *args):
        pass

    def refuses(self):
        """Answers 401 where a key is wanted and another is given."""
        key = self.stand_in.key
        if key is None or self.headers["Authorization"] == f"Bearer {key}":
            return False
        said = "not one of those" if self.headers["Authorization"] else "no API key was given"
        self.reply(401, "application/json", Refusal(401, said).body.encode())
        return True

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/v1/") and self.refuses():
            return None
        if path == "/v1/models":
            listed = [
                {"id": name, "object": "model", "created": 0, "owned_by": "triptych"}
                for name in self.stand_in.models
            ]
            return self.reply(
                200, "application/json", json.dumps({"object": "list", "data": listed}).encode()
            )
        if path.startswith("/v1/pictures/"):
            picture = self.stand_in.pictures.get(path.rsplit("/", 1)[1])
            return (
                self.reply(200, "image/png", picture)
                if picture
                else self.reply(404, "text/plain", b"no such picture was sent\n")
            )
        file = PAGE / (path.lstrip("/") or "index.html")
        if file.parent != PAGE or not file.is_file():
            return self.reply(404, "text/plain", b"not found\n")
        return self.reply(200, TYPES[file.suffix], file.read_bytes())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.refuses():
            return None
        self.stand_in.requests.append((self.path, body))
        if self.path == "/v1/chat/completions":
            script = (
                self.stand_in.chats.pop(0) if self.stand_in.chats else answer("A plain ", "answer.")
            )
        elif self.path == "/v1/articles":
            script = (
                self.stand_in.articles.pop(0) if self.stand_in.articles else self.stand_in.harbour()
            )
        else:
            return self.reply(404, "text/plain", b"not found\n")
        if isinstance(script, Refusal):
            return self.reply(script.status, "application/json", script.body.encode())
        return self.play(script)

    def reply(self, status, media_type, body):
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def play(self, script):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for step in script:
                if isinstance(step, Gate):
                    if not step.hold(self.connection):
                        return self.hang_up()
                elif step is BREAK:
                    return self.hang_up()
                else:
                    text = (
                        step
                        if isinstance(step, str)
                        else f"data: {json.dumps(step, ensure_ascii=False)}\n\n"
                    )
                    self.send_chunk(text.encode())
            self.send_chunk(b"")
        except (BrokenPipeError, ConnectionResetError):
            self.hang_up()

    def send_chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
