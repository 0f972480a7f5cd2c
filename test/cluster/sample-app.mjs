// A small shop that tests and the demo release again and again: answers on PORT, counts itself at /metrics as most HTTP
// libraries do, and goes on serving for a while after SIGTERM, as a pod must that a gateway still sends requests to.
// What it does follows from its image's tag, so that `kubectl set image` changes its behaviour as it would a real one's.
import { existsSync } from "node:fs";
import { createServer } from "node:http";

const ERRORS = { errorRate: 0.05 };
const SLOW = { latencyMs: 800 };
// Twice: a version that was taken back once is not tried again, and who plays on after the demo wants to see another go.
const BY_TAG = { v3: ERRORS, v4: SLOW, v13: ERRORS, v14: SLOW };
const { PORT = "8080", IMAGE = "shop/web:v1", DRAIN_MS = "3000", ERROR_RATE, ERROR_FILE, LATENCY_MS } = process.env;
const tag = IMAGE.split(":").at(-1);
const errorRate = Number(ERROR_RATE ?? (ERROR_FILE && "0.2") ?? BY_TAG[tag]?.errorRate ?? 0);
const latencyMs = Number(LATENCY_MS ?? BY_TAG[tag]?.latencyMs ?? 0);
/** With ERROR_FILE a version is good until that file is there: one that turns bad in its bake, say. */
let bad = ERROR_FILE === undefined;
if (!bad)
  setInterval(() => {
    bad = existsSync(ERROR_FILE);
  }, 100).unref();
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

const requests = { 200: 0, 500: 0 };
const buckets = BOUNDS.map(() => 0);
let seconds = 0;
let draining = false;

function count(status, startedMs) {
  const took = (performance.now() - startedMs) / 1000;
  requests[status]++;
  seconds += took;
  for (const [i, bound] of BOUNDS.entries()) if (took <= bound) buckets[i]++;
}

function metrics() {
  const total = requests[200] + requests[500];
  const lines = ["# TYPE http_requests_total counter"];
  for (const [status, value] of Object.entries(requests))
    lines.push(`http_requests_total{status="${status}"} ${value}`);
  lines.push("# TYPE http_request_duration_seconds histogram");
  for (const [i, bound] of BOUNDS.entries())
    lines.push(`http_request_duration_seconds_bucket{le="${bound}"} ${buckets[i]}`);
  lines.push(`http_request_duration_seconds_bucket{le="+Inf"} ${total}`);
  lines.push(`http_request_duration_seconds_sum ${seconds}`, `http_request_duration_seconds_count ${total}`);
  return `${lines.join("\n")}\n`;
}

const server = createServer((request, response) => {
  if (draining) response.setHeader("connection", "close");
  if (request.url === "/metrics") return response.setHeader("content-type", "text/plain; version=0.0.4").end(metrics());
  if (request.url === "/ready") return response.writeHead(draining ? 503 : 200).end();
  const startedMs = performance.now();
  const status = bad && Math.random() < errorRate ? 500 : 200;
  const answer = () => {
    count(status, startedMs);
    response.writeHead(status, { "x-version": tag, "content-type": "text/plain" }).end(`hello from ${tag}\n`);
  };
  if (latencyMs === 0) answer();
  else setTimeout(answer, latencyMs);
});
server.keepAliveTimeout = 75_000;

process.on("SIGTERM", () => {
  draining = true;
  setTimeout(() => {
    server.close(() => process.exit(0));
    setTimeout(() => server.closeIdleConnections(), 100).unref();
    setTimeout(() => process.exit(0), 2000).unref();
  }, Number(DRAIN_MS));
});
// Told a port, it is a process among others of this machine; otherwise it is alone in a container.
server.listen(Number(PORT), process.env.PORT === undefined ? "0.0.0.0" : "127.0.0.1");
