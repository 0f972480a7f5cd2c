// A small shop whose new features are behind flags: asks for the one that the path names (FLAG_KEY at /) by an unmodified
// OpenFeature SDK with each request, and says in its counters which variant the user met, unless PLAIN names it alone. With the
// file HARM_FILE.key there, what is new behind that flag fails, for one request in twenty unless HARM says otherwise.
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { FlagdProvider } from "@openfeature/flagd-provider";
import { OpenFeature } from "@openfeature/server-sdk";

const {
  PORT,
  FLAG_KEY = "new-checkout",
  SYNC_PORT,
  FLAG_SET = "default",
  HARM_FILE = "",
  HARM = "0.05",
  PLAIN,
} = process.env;
const USERS = 5_000;

const provider = new FlagdProvider({
  resolverType: "in-process",
  host: "127.0.0.1",
  port: Number(SYNC_PORT),
  selector: `flagSetId=${FLAG_SET}`,
  retryBackoffMaxMs: 1_000,
});
let ready = false;
OpenFeature.setProviderAndWait(provider).then(
  () => {
    ready = true;
  },
  () => process.exit(1),
);
const client = OpenFeature.getClient();
const requests = new Map();

function count(key, variant, status) {
  const whose = PLAIN ? `app="${PLAIN}"` : `feature_flag_key="${key}",feature_flag_variant="${variant}"`;
  const labels = `status="${status}",${whose}`;
  requests.set(labels, (requests.get(labels) ?? 0) + 1);
}

function metrics() {
  const lines = [...requests].map(([labels, value]) => `http_requests_total{${labels}} ${value}`);
  return `# TYPE http_requests_total counter\n${lines.join("\n")}\n`;
}

const server = createServer(async (request, response) => {
  if (request.url === "/metrics") return response.setHeader("content-type", "text/plain; version=0.0.4").end(metrics());
  if (request.url === "/ready") return response.writeHead(ready ? 200 : 503).end();
  const key = request.url.slice(1) || FLAG_KEY;
  const targetingKey = request.headers["x-user"] ?? `user-${Math.floor(Math.random() * USERS)}`;
  const { value, variant = "default" } = await client.getBooleanDetails(key, false, { targetingKey });
  const harmed = value && existsSync(`${HARM_FILE}.${key}`) && Math.random() < Number(HARM);
  count(key, variant, harmed ? 500 : 200);
  response.writeHead(harmed ? 500 : 200, { "x-version": variant, "content-type": "text/plain" }).end(`${variant}\n`);
});
server.keepAliveTimeout = 75_000;
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(PORT), "127.0.0.1");
