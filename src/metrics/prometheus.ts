import { Agent, buildConnector, type Dispatcher, request } from "undici";
import { type Answer, parseAnswer, unavailable } from "./answer.ts";
import { type CredentialFiles, type Credentials, readCredentials } from "./credentials.ts";
import { CredentialsError } from "./errors.ts";

export interface PrometheusOptions extends CredentialFiles {
  /** Where the API is, path prefix included: `https://mimir.example/prometheus`. */
  readonly url: string;
  /** The monotonic or wall clock in milliseconds, for when files are read again. */
  readonly nowMs: () => number;
  readonly timeoutMs?: number; // of a whole request, 5,000
  readonly maxBytes?: number; // of an answer, 16 MiB: raw series of a hundred pods take about 1
}

const REREAD_FILES_AFTER_MS = 30_000;

/** A source of numbers, as `measure` needs it. */
export interface MetricsSource {
  /** Runs a query as of `atMs`. Never throws: faults are answers. */
  query(promql: string, atMs: number, signal?: AbortSignal): Promise<Answer>;
}

/** Asks one Prometheus, or what speaks its API. Keeps connections; follows no redirects, as those lead past the allow-list. */
export class PrometheusClient implements MetricsSource {
  private readonly options: Required<Pick<PrometheusOptions, "timeoutMs" | "maxBytes">> & PrometheusOptions;
  private readonly endpoint: URL;
  private credentials: { readonly read: Credentials; readonly atMs: number; readonly agent: Agent } | undefined;

  /** @throws Error where the URL is not http(s), or carries credentials */
  constructor(options: PrometheusOptions) {
    this.options = { timeoutMs: 5_000, maxBytes: 16 << 20, ...options };
    this.endpoint = endpointOf(options.url);
  }

  async query(promql: string, atMs: number, signal?: AbortSignal): Promise<Answer> {
    const deadline = AbortSignal.timeout(this.options.timeoutMs);
    const either = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
    try {
      const first = await this.send(promql, atMs, either);
      if (first.statusCode !== 401) return answerOf(first);
      this.credentials = forgotten(this.credentials); // A token may have been rotated a moment ago: once more with what the file has now.
      return answerOf(await this.send(promql, atMs, either));
    } catch (cause) {
      return unavailable(
        deadline.aborted ? `Prometheus did not answer within ${this.options.timeoutMs / 1000} s` : reasonOf(cause),
      );
    }
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await this.credentials?.agent.destroy();
    this.credentials = undefined;
  }

  private async send(promql: string, atMs: number, signal: AbortSignal): Promise<Received> {
    const { read, agent } = await this.access();
    const form = new URLSearchParams({
      query: promql,
      time: (atMs / 1000).toFixed(3),
      timeout: `${this.options.timeoutMs}ms`,
    });
    const response = await request(this.endpoint, {
      dispatcher: agent,
      method: "POST",
      headers: { ...read.headers, "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: form.toString(),
      signal,
    });
    return { statusCode: response.statusCode, body: await bodyOf(response, this.options.maxBytes) };
  }

  private async access() {
    const nowMs = this.options.nowMs();
    const known = this.credentials;
    if (known !== undefined && nowMs - known.atMs < REREAD_FILES_AFTER_MS) return known;
    const read = await readCredentials(this.options);
    const sameTls = known !== undefined && JSON.stringify(known.read.tls) === JSON.stringify(read.tls);
    const agent = sameTls ? known.agent : agentWith(read.tls);
    if (!sameTls) void known?.agent.close().catch(() => undefined); // Requests under way end first.
    this.credentials = { read, atMs: nowMs, agent };
    return this.credentials;
  }
}

/** HTTP/2 stays off, as towards the API server: one broken session is the end of every request to come. */
function agentWith(tls: Credentials["tls"]): Agent {
  const connector = buildConnector({ allowH2: false, ...tls });
  const connect: typeof connector = (options, done) =>
    connector(options, (...[error, socket]) => {
      if (error !== null) return done(error, null);
      // A server that refuses our certificate says so and ends; told is what it said, and not that it ended.
      socket.once("error", (said) => socket.destroy(said));
      done(null, socket);
    });
  return new Agent({ allowH2: false, connections: 16, connect });
}

interface Received {
  readonly statusCode: number;
  /** Undefined where it is larger than allowed. */
  readonly body: string | undefined;
}

function endpointOf(url: string): URL {
  const base = new URL(url);
  if (base.protocol !== "http:" && base.protocol !== "https:")
    throw new Error(`Prometheus must be reached by http or https, and not by ${base.protocol}`);
  if (base.username !== "" || base.password !== "")
    throw new Error("Prometheus' URL must not carry credentials: use a file");
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return new URL("api/v1/query", base);
}

function answerOf({ statusCode, body }: Received): Answer {
  if (statusCode >= 300 && statusCode < 400)
    return unavailable(`Prometheus answered ${statusCode}: redirects are not followed`);
  if (statusCode === 401 || statusCode === 403)
    return unavailable(`Prometheus answered ${statusCode}: it does not let us in`);
  if (body === undefined) return unavailable("Prometheus' answer is too large");
  return parseAnswer(statusCode, body);
}

async function bodyOf({ body }: Dispatcher.ResponseData, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) return undefined; // Leaving the loop destroys the stream.
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function forgotten<T extends { readonly atMs: number }>(credentials: T | undefined): T | undefined {
  return credentials === undefined ? undefined : { ...credentials, atMs: Number.NEGATIVE_INFINITY };
}

/** Codes of sockets and of TLS say enough; messages may hold what was sent. */
function reasonOf(cause: unknown): string {
  if (cause instanceof CredentialsError) return cause.message;
  const { code, cause: inner } = cause as { code?: unknown; cause?: { code?: unknown } };
  const known = [code, inner?.code].find((candidate) => typeof candidate === "string");
  if (known === undefined) return "Prometheus cannot be reached";
  const words = TLS.find(([codes]) => codes.test(known))?.[1];
  return `Prometheus cannot be reached${words === undefined ? "" : `: ${words}`} (${known})`;
}

/** What people can mend, by OpenSSL's codes. Alerts are what the other side says of our certificate. */
const TLS: readonly (readonly [codes: RegExp, words: string])[] = [
  [
    /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|^CERT_SIGNATURE/,
    "its certificate is from none of the CAs that we trust",
  ],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, "its certificate is not valid at this time"],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, "its certificate is for another name"],
  [/ALERT_CERTIFICATE_REQUIRED$/, "it wants a client certificate, and we have none"],
  [/ALERT_(UNKNOWN_CA|CERTIFICATE_\w+|BAD_CERTIFICATE|ACCESS_DENIED)$/, "it does not accept our client certificate"],
  [/KEY_VALUES_MISMATCH$/, "our client certificate and its key do not belong together"],
  [/^ERR_OSSL_PEM_/, "our client certificate or its key is not PEM"],
  [/WRONG_VERSION_NUMBER$/, "it does not speak https there"],
];
