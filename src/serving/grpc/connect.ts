import type { IncomingMessage, ServerResponse } from "node:http";
import type { Visibility } from "../../core/flags/definition.ts";
import type { Logger } from "../../telemetry/log.ts";
import { BadRequest, contextOf, MOST_BYTES, parseObject } from "../context.ts";
import type { Feed } from "../feed.ts";
import { BodyRefused, readBody } from "../http/body.ts";
import type { Cors } from "../http/cors.ts";
import { type Asker, type Resolution, ResolveError, type Resolver, type ValueType } from "../resolve.ts";
import { parseSelector, SELECTOR_HEADER, type Selection } from "../selector.ts";
import type { ConnectStreams } from "./connect-streams.ts";

/** What the Connect protocol calls faults, and the HTTP status of each. https://connectrpc.com/docs/protocol */
const STATUS = {
  invalid_argument: 400,
  not_found: 404,
  unimplemented: 501,
  resource_exhausted: 413,
  data_loss: 500,
  unknown: 500,
  internal: 500,
} as const;
type Code = keyof typeof STATUS;

class ConnectFault extends Error {
  readonly code: Code;
  readonly status: number;

  constructor(code: Code, message: string, status: number = STATUS[code]) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface ConnectParts {
  readonly resolver: Resolver;
  readonly feed: Feed;
  readonly streams: ConnectStreams;
  readonly cors: Cors;
  readonly flagSet: string;
  readonly log: Logger;
}

const METHOD = /^\/flagd\.evaluation\.(v1|v2)\.Service\/(Resolve(Boolean|String|Float|Int|Object|All)|EventStream)$/;

/** flagd.evaluation as JSON over HTTP/1.1, as the Connect protocol has it: for browsers, for curl, and for whoever has no gRPC. */
export class ConnectHandler {
  readonly #parts: ConnectParts;

  constructor(parts: ConnectParts) {
    this.#parts = parts;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#parts.cors.allow(request, response);
    try {
      const [path = ""] = (request.url ?? "").split("?", 1);
      const [, version, method = "", type] = METHOD.exec(path) ?? [];
      if (version === undefined) throw new ConnectFault("unimplemented", `There is no ${path.slice(0, 200)}`, 404);
      if (request.method === "OPTIONS") this.#parts.cors.preflight(response, "POST");
      else if (request.method !== "POST") {
        response.setHeader("allow", "POST, OPTIONS");
        throw new ConnectFault("unimplemented", `This path takes POST (got ${request.method})`, 405);
      } else if (method === "EventStream") this.#listen(request, response);
      else await this.#resolve(request, response, version as "v1" | "v2", type as ValueType | "All");
    } catch (error) {
      this.#refuse(response, error);
    }
  }

  async #resolve(
    request: IncomingMessage,
    response: ServerResponse,
    protocol: "v1" | "v2",
    type: ValueType | "All",
  ): Promise<void> {
    expectType(request, response, "application/json");
    const selection = selectionOf(request);
    const flagSet = selection.kind === "flagSet" ? selection.name : this.#parts.flagSet;
    const asker: Asker = { protocol, flagSet, viewer: viewerOf(request) };
    const body = await readBody(request, MOST_BYTES);
    const question = body.length === 0 ? {} : parseObject(body);
    const context = contextOf(question.context);
    const { resolver } = this.#parts;
    if (type === "All") {
      const answers = [...resolver.all(asker, context)].map(([key, answer]) => [key, anyFlag(answer)]);
      send(response, 200, { flags: Object.fromEntries(answers), metadata: { flagSetId: flagSet } });
      return;
    }
    const key = question.flagKey ?? question.flag_key;
    if (typeof key !== "string") throw new ConnectFault("invalid_argument", "flagKey must be text");
    const answer = resolver.one(asker, type, key, context);
    // Whole numbers are text in protobuf's JSON.
    send(
      response,
      200,
      type === "Int" && answer.value !== undefined ? { ...answer, value: String(answer.value) } : answer,
    );
  }

  #listen(request: IncomingMessage, response: ServerResponse): void {
    expectType(request, response, "application/connect+json");
    const selection = selectionOf(request);
    request.resume(); // One empty message.
    this.#parts.streams.open(response, (write) =>
      this.#parts.feed.open(selection.kind === "flagSet" ? selection.name : undefined, viewerOf(request), write),
    );
  }

  #refuse(response: ServerResponse, error: unknown): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const fault = this.#faultOf(error);
    if (fault.status === 413) response.setHeader("connection", "close");
    send(response, fault.status, { code: fault.code, message: fault.message });
  }

  #faultOf(error: unknown): ConnectFault {
    if (error instanceof ConnectFault) return error;
    if (error instanceof ResolveError) return new ConnectFault(error.code, error.message);
    if (error instanceof BadRequest) return new ConnectFault("invalid_argument", error.message);
    if (error instanceof BodyRefused)
      return new ConnectFault(
        error.status === 413 ? "resource_exhausted" : "invalid_argument",
        error.message,
        error.status,
      );
    this.#parts.log.error({ error: error instanceof Error ? error.stack : String(error) }, "a Connect request failed");
    return new ConnectFault("internal", "This is a fault of the flag server; its log says more");
  }
}

/** Browsers say where a page comes from, and no page can hide it. They see what they may see by OFREP too. */
function viewerOf({ headers }: IncomingMessage): Visibility {
  return headers.origin === undefined ? "server" : "client";
}

function selectionOf({ headers }: IncomingMessage): Exclude<Selection, { kind: "refused" }> {
  const value = headers[SELECTOR_HEADER];
  const selection = parseSelector(Array.isArray(value) ? value[0] : value);
  if (selection.kind === "refused") throw new ConnectFault("invalid_argument", selection.message);
  return selection;
}

function expectType({ headers }: IncomingMessage, response: ServerResponse, expected: string): void {
  const given = headers["content-type"]?.split(";")[0]?.trim();
  if (given === expected) return;
  response.setHeader("accept-post", expected);
  throw new ConnectFault("unknown", `This method takes ${expected} (got ${given ?? "no content-type"})`, 415);
}

function anyFlag({ value, ...rest }: Resolution): object {
  if (typeof value === "boolean") return { ...rest, boolValue: value };
  if (typeof value === "string") return { ...rest, stringValue: value };
  if (typeof value === "number") return { ...rest, doubleValue: value };
  return value === undefined ? rest : { ...rest, objectValue: value };
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    .end(text);
}
