import { hash } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Clock } from "../../kube/clock.ts";
import type { Logger } from "../../telemetry/log.ts";
import { type Access, type Authorize, isRefusal } from "../access.ts";
import { BadRequest, type Context, MOST_BYTES, parseRequest } from "../context.ts";
import type { DeliveryCounts } from "../delivery.ts";
import { BodyRefused, readBody } from "../http/body.ts";
import type { Cors } from "../http/cors.ts";
import { createHttpServer } from "../http/listener.ts";
import { evaluations } from "../metrics.ts";
import { parseSelector, SELECTOR_HEADER } from "../selector.ts";
import type { Answer, ServedFlag } from "../served-flag.ts";
import type { FlagStore } from "../store.ts";
import { answerText, failure } from "./answers.ts";
import { type EventStreams, listenerOf } from "./events.ts";
import type { Freshness } from "./freshness.ts";
import { readHint } from "./hint.ts";
import { EVENTS_PATH, type Tickets } from "./ticket.ts";
import { Turns } from "./turns.ts";

const FLAGS_PATH = "/ofrep/v1/evaluate/flags";
/** Answers with all flags that are on their way at once. */
const MOST_AT_ONCE = 64;
/** A page in the background stops listening after this, and fetches everything when it is looked at again. */
const INACTIVITY_S = 120;

export interface OfrepParts {
  readonly store: FlagStore;
  readonly delivery: DeliveryCounts;
  readonly authorize: Authorize;
  readonly cors: Cors;
  readonly tickets: Tickets;
  readonly events: EventStreams;
  readonly freshness: Freshness;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Serves OFREP 0.3.0: one flag, all flags, and a stream that says when to ask again. */
export function createOfrepServer(parts: OfrepParts): Server {
  const ofrep = new Ofrep(parts);
  return createHttpServer((request, response) => void ofrep.answer(request, response));
}

/** A request that was let in, and what it is about. */
interface Question {
  readonly access: Access;
  readonly flagSet: string;
  readonly context: Context;
}

class Refused extends Error {
  readonly status: number;
  readonly body: object;

  constructor(status: number, body: object) {
    super();
    this.status = status;
    this.body = body;
  }
}

class Ofrep {
  readonly #parts: OfrepParts;
  readonly #turns: Turns;

  constructor(parts: OfrepParts) {
    this.#parts = parts;
    this.#turns = new Turns(MOST_AT_ONCE, parts.clock);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#parts.cors.allow(request, response);
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    try {
      if (path === EVENTS_PATH) this.#listen(request, response, query);
      else if (path === FLAGS_PATH || path === `${FLAGS_PATH}/`) await this.#all(request, response, query);
      else if (path.startsWith(`${FLAGS_PATH}/`)) await this.#one(request, response, path.slice(FLAGS_PATH.length + 1));
      else send(response, 404, { errorDetails: `There is nothing at this path; flags are evaluated at ${FLAGS_PATH}` });
    } catch (error) {
      this.#refuse(response, error, request);
    }
  }

  async #one(request: IncomingMessage, response: ServerResponse, encodedKey: string): Promise<void> {
    if (!this.#takes("POST", request, response)) return;
    const key = decodeKey(encodedKey);
    const { access, flagSet, context } = await this.#question(request, key);
    const flag = this.#parts.store.find(flagSet, key);
    if (flag === undefined || !isVisible(flag, access)) {
      evaluations.inc({ protocol: "ofrep", outcome: "notFound" });
      throw new Refused(404, failure("FLAG_NOT_FOUND", `Flag set "${flagSet}" has no flag of this key`, key));
    }
    const answer = this.#evaluate(flag, context);
    evaluations.inc({ protocol: "ofrep", outcome: answer.kind });
    sendText(response, answer.kind === "error" ? 400 : 200, answerText(flag, answer));
  }

  async #all(request: IncomingMessage, response: ServerResponse, query: string): Promise<void> {
    if (!this.#takes("POST", request, response)) return;
    const { access, flagSet, context } = await this.#question(request);
    const told = readHint(unquoted(new URLSearchParams(query).get("flagConfigEtag") ?? ""));
    const { store, delivery, freshness, tickets } = this.#parts;
    const topic = { flagSet, viewer: access.viewer };
    if (told.etag !== "") await freshness.reach(topic, told.etag);
    await this.#turns.take(response);
    if (response.closed) return; // Who asked has gone while he waited.
    const set = store.flagSet(flagSet);
    const flags = [...set.flags.values()].filter((flag) => isVisible(flag, access));
    const rest = JSON.stringify({
      eventStreams: [{ type: "sse", endpoint: { requestUri: tickets.issue(topic) }, inactivityDelaySec: INACTIVITY_S }],
      metadata: { flagSetId: flagSet, version: set.etag(access.viewer) },
    });
    const body = Buffer.from(`{"flags":[${this.#evaluated(flags, context)}],${rest.slice(1)}`);
    // Of the answer itself: another context, a ramp that time moves or a new address of the stream is another answer. A tag of
    // the definitions alone gives a user who upgrades his plan the old values for ever.
    const etag = `"${hash("sha1", body, "base64url")}"`;
    response.setHeader("etag", etag);
    response.setHeader("cache-control", "private, no-cache");
    const { stream } = told;
    const push = delivery.last;
    if (stream !== undefined) response.once("finish", () => delivery.fetched(listenerOf(topic, stream), push));
    const isToldOfAnother = told.etag !== "" && told.etag !== set.etag(access.viewer);
    if (!isToldOfAnother && matches(request.headers["if-none-match"], etag)) response.writeHead(304).end();
    else sendBody(response, 200, body);
  }

  #listen(request: IncomingMessage, response: ServerResponse, query: string): void {
    if (!this.#takes("GET", request, response)) return;
    const topic = this.#parts.tickets.check(new URLSearchParams(query));
    if (topic === undefined)
      throw new Refused(401, {
        errorDetails: "This address is not, or no longer, good; evaluate all flags for a new one",
      });
    if (this.#parts.events.isFull) {
      response.setHeader("retry-after", 5);
      throw new Refused(503, {
        errorDetails: "This server has as many streams as it takes; another one may have room",
      });
    }
    this.#parts.events.open(response, topic, header(request, "last-event-id"));
  }

  /** @returns answers as JSON, separated by commas */
  #evaluated(flags: readonly ServedFlag[], context: Context): string {
    const counts = { value: 0, codeDefault: 0, error: 0 };
    const answers = flags.map((flag) => {
      const answer = this.#evaluate(flag, context);
      counts[answer.kind]++;
      return answerText(flag, answer);
    });
    for (const [outcome, count] of Object.entries(counts))
      if (count > 0) evaluations.inc({ protocol: "ofrep", outcome }, count);
    return answers.join(",");
  }

  #evaluate(flag: ServedFlag, context: Context): Answer {
    const answer = flag.evaluate(context as never);
    if (answer.kind !== "error")
      this.#parts.delivery.evaluated(flag, answer.kind === "value" ? answer.variant : undefined);
    return answer;
  }

  /** Who asks, for what, about whom. Whoever is not let in has nothing of his read. */
  async #question(request: IncomingMessage, key?: string): Promise<Question> {
    const decision = this.#parts.authorize(request.headers);
    const access = decision instanceof Promise ? await decision : decision;
    if (isRefusal(access)) throw new Refused(access.status, failure("GENERAL", access.message, key));
    const selection = parseSelector(header(request, SELECTOR_HEADER));
    if (selection.kind === "refused")
      throw new Refused(400, failure("GENERAL", `Flagd-Selector: ${selection.message}`, key));
    const flagSet = selection.kind === "none" ? access.flagSet : selection.name;
    if (!access.mayUse(flagSet))
      throw new Refused(403, failure("GENERAL", `This token is not for flag set "${flagSet}"`, key));
    return { access, flagSet, context: await contextOf(request, key) };
  }

  /** Whether the method is the one of this path; every other one is answered here. */
  #takes(expected: "GET" | "POST", { method }: IncomingMessage, response: ServerResponse): boolean {
    if (method === expected) return true;
    if (method === "OPTIONS") {
      this.#parts.cors.preflight(response, expected);
      return false;
    }
    response.setHeader("allow", `${expected}, OPTIONS`);
    send(response, 405, { errorDetails: `This path takes ${expected} (got ${method})` });
    return false;
  }

  #refuse(response: ServerResponse, error: unknown, { method }: IncomingMessage): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (error instanceof Refused) {
      if (error.status === 401) response.setHeader("www-authenticate", "Bearer");
      if (error.status === 413) response.setHeader("connection", "close"); // What was not read must not be read as the next.
      send(response, error.status, error.body);
      return;
    }
    const name = error instanceof Error ? error.stack : String(error);
    this.#parts.log.error({ method, error: name }, "an OFREP request failed");
    send(response, 500, { errorDetails: "This is a fault of the flag server; its log says more" });
  }
}

async function contextOf(request: IncomingMessage, key: string | undefined): Promise<Context> {
  try {
    return parseRequest(await readBody(request, MOST_BYTES));
  } catch (error) {
    if (error instanceof BadRequest) throw new Refused(400, failure(error.code, error.message, key));
    if (error instanceof BodyRefused) throw new Refused(error.status, failure("PARSE_ERROR", error.message, key));
    throw error;
  }
}

/** Whether a browser, or a server, may know that a flag exists at all. */
function isVisible(flag: ServedFlag, { viewer }: Access): boolean {
  return viewer === "server" || flag.isClientVisible;
}

function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new Refused(400, failure("PARSE_ERROR", "The flag's key in the path is not percent-encoded UTF-8"));
  }
}

/** As the tag stands, without the marks that HTTP puts around it. */
function unquoted(etag: string): string {
  return etag.replace(/^(W\/)?"(.*)"$/, "$2");
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((one) => one.trim() === "*" || unquoted(one.trim()) === unquoted(etag));
}

function header({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function send(response: ServerResponse, status: number, body: object): void {
  sendText(response, status, JSON.stringify(body));
}

/** Text leaves together with its head, in one write: for small answers that is the dearest part of all. */
function sendText(response: ServerResponse, status: number, body: string): void {
  writeHead(response, status, Buffer.byteLength(body)).end(body);
}

function sendBody(response: ServerResponse, status: number, body: Buffer): void {
  writeHead(response, status, body.length).end(body);
}

function writeHead(response: ServerResponse, status: number, length: number): ServerResponse {
  return response.writeHead(status, {
    "content-type": "application/json",
    "content-length": length,
    "x-content-type-options": "nosniff",
  });
}
