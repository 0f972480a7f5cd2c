export type ApiErrorKind =
  | "conflict"
  | "notFound"
  | "exists"
  | "invalid"
  | "gone"
  | "throttled"
  | "server"
  | "network"
  | "timeout"
  | "forbidden"
  | "unauthorized"
  | "aborted"
  | "other";

/** What went wrong with one request: the only error that the transport throws. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly kind: ApiErrorKind;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly details: unknown;

  constructor(
    message: string,
    fields: {
      status?: number;
      kind: ApiErrorKind;
      reason?: string;
      retryAfterMs?: number | undefined;
      details?: unknown;
      cause?: unknown;
    },
  ) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.status = fields.status ?? 0;
    this.kind = fields.kind;
    this.reason = fields.reason ?? "";
    this.retryAfterMs = fields.retryAfterMs;
    this.details = fields.details;
  }

  /** Whether the same request may succeed later, unchanged. */
  get retryable(): boolean {
    return ["network", "timeout", "throttled", "server"].includes(this.kind);
  }
}

export function isKind(error: unknown, ...kinds: readonly ApiErrorKind[]): error is ApiError {
  return error instanceof ApiError && kinds.includes(error.kind);
}

/** A fault that trying again cannot heal: the key comes back when something about it changes. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
}

/** What another's sentence may take of ours. */
const LONGEST_MESSAGE = 1_000;

/** Maps by HTTP status first: a body may be a proxy's HTML, or empty.
 * @param retryAfter the Retry-After header: seconds, or a date, which is told apart from `nowMs` */
export function errorOf(
  status: number,
  body: string,
  retryAfter: string | undefined,
  what: string,
  nowMs: number,
): ApiError {
  const parsed = parseStatus(body);
  const reason = parsed?.reason ?? "";
  const seconds = parsed?.details?.retryAfterSeconds;
  const retryAfterMs =
    retryAfter === undefined ? (seconds === undefined ? undefined : seconds * 1_000) : waitOf(retryAfter, nowMs);
  const said = parsed?.message?.slice(0, LONGEST_MESSAGE) ?? `the API server answered ${status}`;
  const kind = kindOf(status, reason);
  return new ApiError(`Cannot ${what}: ${said}`, { status, kind, reason, retryAfterMs, details: parsed?.details });
}

function waitOf(retryAfter: string, nowMs: number): number | undefined {
  const seconds = Number(retryAfter);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(retryAfter) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function kindOf(status: number, reason: string): ApiErrorKind {
  if (status === 409) return reason === "AlreadyExists" ? "exists" : "conflict";
  if (status === 408 || status === 504) return "timeout";
  if (status >= 500) return "server";
  const kinds: Readonly<Record<number, ApiErrorKind>> = {
    401: "unauthorized",
    403: "forbidden",
    404: "notFound",
    410: "gone",
    422: "invalid",
    400: "invalid",
    429: "throttled",
  };
  return kinds[status] ?? "other";
}

interface StatusBody {
  readonly kind?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number };
}

function parseStatus(body: string): StatusBody | undefined {
  try {
    const value = JSON.parse(body) as StatusBody;
    return value?.kind === "Status" ? value : undefined;
  } catch {
    return undefined;
  }
}
