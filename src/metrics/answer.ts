import type { Labels } from "./queries.ts";

/** One sample: [milliseconds since epoch, value]. */
export type Sample = readonly [number, number];

/** What Prometheus said, understood. Every fault is a value; of a body nothing is repeated in a message
 * but where a query could not be read. */
export type Answer =
  | { readonly kind: "vector"; readonly series: readonly { readonly labels: Labels; readonly sample: Sample }[] }
  | {
      readonly kind: "matrix";
      readonly series: readonly { readonly labels: Labels; readonly samples: readonly Sample[] }[];
    }
  | { readonly kind: "scalar"; readonly sample: Sample }
  /** The query is at fault: asking again will not help. */
  | { readonly kind: "refused"; readonly message: string }
  /** Prometheus is, or what lies between: it may be there next time. */
  | { readonly kind: "unavailable"; readonly message: string };

/** Reads the body of `/api/v1/query`. Never throws. */
export function parseAnswer(statusCode: number, body: string): Answer {
  const parsed = parseJson(body);
  if (parsed === undefined) return unavailable(`Prometheus answered ${statusCode} with something that is not its JSON`);
  if (parsed.status === "error") return failure(statusCode, parsed.errorType, parsed.error);
  if (parsed.status !== "success" || statusCode !== 200) return unavailable(`Prometheus answered ${statusCode}`);
  if (Array.isArray(parsed.warnings) && parsed.warnings.length > 0) {
    return unavailable("Prometheus answered with a warning: the data may be partial");
  }
  const data = parsed.data;
  if (!isRecord(data)) return unavailable("Prometheus answered without data");
  return result(data.resultType, data.result) ?? unavailable("Prometheus answered with a malformed result");
}

/** The error types that mean the query, and not the server. */
const QUERY_FAULTS = new Set(["bad_data", "execution"]);
const SERVER_FAULTS = new Set(["timeout", "canceled", "internal", "unavailable", "not_found", "not_acceptable"]);

function failure(statusCode: number, type: unknown, error: unknown): Answer {
  const known = typeof type === "string" && (QUERY_FAULTS.has(type) || SERVER_FAULTS.has(type));
  const message = `Prometheus answered ${statusCode}${known ? ` (${type})` : ""}`;
  if (known && QUERY_FAULTS.has(type))
    return { kind: "refused", message: parseErrorOf(error) ?? `${message}: the query is not one it can run` };
  return unavailable(message);
}

/** `1:14: parse error: …`, line and column of the query as it was sent: words of the parser about words of the user. */
function parseErrorOf(error: unknown): string | undefined {
  const found = typeof error === "string" ? /\b\d{1,4}:\d{1,4}: parse error: [^\p{Cc}]{1,160}/u.exec(error) : undefined;
  return found?.[0] === undefined ? undefined : `Prometheus cannot read the query: ${found[0].trim()}`;
}

function result(type: unknown, value: unknown): Answer | undefined {
  switch (type) {
    case "scalar": {
      const sample = sampleOf(value);
      return sample === undefined ? undefined : { kind: "scalar", sample };
    }
    case "string":
      return refused("the query answers with a string, and a number is needed");
    case "vector":
      return vector(value);
    case "matrix":
      return matrix(value);
    default:
      return undefined;
  }
}

function vector(value: unknown): Answer | undefined {
  if (!Array.isArray(value)) return undefined;
  const series: { labels: Labels; sample: Sample }[] = [];
  for (const item of value) {
    if (!isRecord(item)) return undefined;
    if (item.histogram !== undefined) return refused(NATIVE);
    const sample = sampleOf(item.value);
    if (sample === undefined) return undefined;
    series.push({ labels: labelsOf(item.metric), sample });
  }
  return { kind: "vector", series };
}

function matrix(value: unknown): Answer | undefined {
  if (!Array.isArray(value)) return undefined;
  const series: { labels: Labels; samples: Sample[] }[] = [];
  for (const item of value) {
    if (!isRecord(item)) return undefined;
    if (item.histograms !== undefined) return refused(NATIVE);
    if (!Array.isArray(item.values)) return undefined;
    const samples = item.values.map(sampleOf);
    if (samples.includes(undefined)) return undefined;
    series.push({ labels: labelsOf(item.metric), samples: samples as Sample[] });
  }
  return { kind: "matrix", series };
}

const NATIVE =
  "the query answers with native histograms, and numbers are needed: use histogram_quantile or histogram_fraction";

function sampleOf(value: unknown): Sample | undefined {
  if (!Array.isArray(value) || typeof value[0] !== "number" || typeof value[1] !== "string") return undefined;
  const number = numberOf(value[1]);
  return number === undefined ? undefined : [Math.round(value[0] * 1000), number];
}

function numberOf(text: string): number | undefined {
  if (text === "NaN") return Number.NaN;
  if (text === "+Inf" || text === "Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? undefined : number;
}

function labelsOf(value: unknown): Labels {
  return isRecord(value) ? (value as Labels) : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function refused(message: string): Answer {
  return { kind: "refused", message };
}

export function unavailable(message: string): Answer {
  return { kind: "unavailable", message };
}
