"""Serve a file of skjoint.persistence.to_onnx; needs NumPy and ONNX Runtime only.

python benchmarks/serve.py model.onnx 8000
curl localhost:8000 -d '{"X": [[0.1, 0.2, null]]}'    # or {"age": [31], "town": ["Bonn"]}
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
kinds = {"tensor(string)": object, "tensor(double)": float}
inputs = {i.name: (i.shape[1], kinds[i.type]) for i in session.get_inputs()}
names = [output.name for output in session.get_outputs()]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        feed = {n: np.array(rows[n], k).reshape(-1, w) for n, (w, k) in inputs.items()}
        answers = dict(zip(names, session.run(names, feed), strict=True))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({n: a.tolist() for n, a in answers.items()}).encode())


ThreadingHTTPServer(("localhost", int(sys.argv[2])), Handler).serve_forever()
