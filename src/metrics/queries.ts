import { literal, quoted, type RolloutSubject } from "./template.ts";

export type Source = "http" | "otel" | "istio" | "envoy" | "nginx" | "traefik" | "linkerd";

/** Label names where they are not those that the source usually has. */
export interface LabelNames {
  readonly namespace?: string;
  readonly pod?: string;
  readonly status?: string;
}

/** Series of both sides in one selector; which side one belongs to is told by one label, so that both come in one answer. */
export interface SeriesQuery {
  readonly metric: string;
  /** Matchers without braces, `namespace="shop",pod=~"…"`. */
  readonly matchers: string;
  readonly sideLabel: string;
  /** Anchored patterns of that label's values. */
  readonly canary: string;
  readonly stable?: string;
  /** What tells one scraped process from another, beside `instance`. */
  readonly podLabel: string;
}

/** Labels of a series; `isBad` is undefined where none of them tells. */
export type Labels = Readonly<Record<string, string>>;

/** Where a source keeps its numbers. */
export interface SourceQueries {
  readonly kind: "queries";
  readonly requests: SeriesQuery & {
    isBad(labels: Labels): boolean | undefined;
    /** What should be there for `isBad` to tell, for messages. */
    readonly badLabels: string;
  };
  /** A classic histogram's `_bucket` series, and how many milliseconds its unit has. */
  readonly latency: SeriesQuery & { readonly unitMs: 1 | 1000 };
}

/** A source whose series say nothing about the sides: judged by it, a bad canary would hide among stable's requests. */
export interface CannotSeparate {
  readonly kind: "cannotSeparate";
  readonly message: string;
}

/** The raw series by which `source` tells how the two sides of a release do. Pure.
 * @see docs/reference/sources.md */
export function queriesOf(
  source: Source,
  subject: RolloutSubject,
  labels: LabelNames = {},
): SourceQueries | CannotSeparate {
  switch (source) {
    case "http":
    case "otel":
    case "istio":
    case "linkerd":
      return byPod(subject, podNamesOf(source, labels));
    case "envoy":
      return envoy(subject, labels);
    case "traefik":
      return traefik(subject, labels);
    case "nginx":
      return cannot("nginx counts by Ingress, and a Rollout has no canary Ingress");
    default:
      throw new Error(`Unknown source: ${JSON.stringify(source satisfies never)}`);
  }
}

export interface Names {
  readonly counter: string;
  readonly bucket: string;
  readonly unitMs: 1 | 1000;
  readonly status: readonly string[];
  /** The label that says whether `status` is a gRPC status rather than an HTTP one. */
  readonly protocol?: string;
  readonly extra?: string;
}

/** What pods, or the proxies beside them, count themselves. */
export interface PodNames extends Names {
  readonly namespace: string; // label
  readonly pod: string; // label
}

/** Where a source keeps what each pod counts. */
export function podNamesOf(source: "http" | "otel" | "istio" | "linkerd", labels: LabelNames): PodNames {
  const { pod = "pod", namespace = "namespace", status } = labels;
  switch (source) {
    case "http":
      return {
        ...{ pod, namespace, unitMs: 1000 },
        counter: "http_requests_total",
        bucket: "http_request_duration_seconds_bucket",
        status: status === undefined ? ["status", "code"] : [status],
      };
    case "otel":
      return {
        pod: labels.pod ?? "k8s_pod_name",
        namespace: labels.namespace ?? "k8s_namespace_name",
        counter: "http_server_request_duration_seconds_count",
        bucket: "http_server_request_duration_seconds_bucket",
        unitMs: 1000,
        status: [status ?? "http_response_status_code", "error_type"],
      };
    case "istio": // The sidecar of the pod that was called counts: its scrape labels name the pod.
      return {
        pod,
        namespace: labels.namespace ?? "destination_workload_namespace",
        counter: "istio_requests_total",
        bucket: "istio_request_duration_milliseconds_bucket",
        unitMs: 1,
        status: [GRPC_STATUS, status ?? "response_code"],
        extra: 'reporter="destination"',
      };
    case "linkerd":
      return {
        ...{ pod, namespace, unitMs: 1 },
        counter: "response_total",
        bucket: "response_latency_ms_bucket",
        status: [status ?? "classification"],
        extra: 'direction="inbound"',
      };
    default:
      throw new Error(`Unknown source: ${JSON.stringify(source satisfies never)}`);
  }
}

function byPod(subject: RolloutSubject, names: PodNames): SourceQueries {
  const { canary, stable } = { canary: subject.canary.pods, stable: subject.stable?.pods };
  const sides = { sideLabel: names.pod, canary, podLabel: names.pod, ...(stable === undefined ? {} : { stable }) };
  return seriesOf(names, sides, `${names.namespace}=${quoted(subject.namespace)}`);
}

/** Contour's clusters are called namespace_service_port. Envoy Gateway has one cluster for all backends of a rule. */
function envoy(subject: RolloutSubject, labels: LabelNames): SourceQueries | CannotSeparate {
  if (subject.gatewayControllers?.some((name) => name.startsWith("gateway.envoyproxy.io/"))) {
    return cannot("Envoy Gateway counts all backends of a rule as one");
  }
  if (subject.speaksGrpc === true)
    return cannot("Envoy's clusters count a gRPC call that failed as HTTP 200, so as good");
  const patternOf = (service: string) => `${literal(`${subject.namespace}_${service}`)}_[^_]+`;
  const names: Names = {
    counter: "envoy_cluster_upstream_rq",
    bucket: "envoy_cluster_upstream_rq_time_bucket",
    unitMs: 1,
    status: [labels.status ?? "envoy_response_code"],
  };
  return byService(subject, labels, "envoy_cluster_name", patternOf, names);
}

/** Services are called namespace-service-port@provider, and those of an HTTPRoute …-svc-namespace-service-port. */
function traefik(subject: RolloutSubject, labels: LabelNames): SourceQueries | CannotSeparate {
  const patternOf = (service: string) => `(?:.*-svc-)?${literal(`${subject.namespace}-${service}`)}-[^-@]+(?:@.*)?`;
  const names: Names = {
    counter: "traefik_service_requests_total",
    bucket: "traefik_service_request_duration_seconds_bucket",
    unitMs: 1000,
    status: [labels.status ?? "code"],
    protocol: "protocol",
  };
  return byService(subject, labels, "service", patternOf, names);
}

function byService(
  subject: RolloutSubject,
  labels: LabelNames,
  sideLabel: string,
  patternOf: (service: string) => string,
  names: Names,
): SourceQueries | CannotSeparate {
  const [canary, stable] = [subject.canary.service, subject.stable?.service];
  if (canary === undefined || canary === stable) {
    return cannot("A proxy tells the sides apart by their Services, and without routes there is only one");
  }
  const podLabel = labels.pod ?? "pod";
  const sides = { canary: patternOf(canary), ...(stable === undefined ? {} : { stable: patternOf(stable) }) };
  return seriesOf(names, { sideLabel, podLabel, ...sides }, undefined);
}

/** Both sides of everything that is counted.
 * @param scope more matchers, without braces */
export function seriesOf(
  names: Names,
  sides: Omit<SeriesQuery, "metric" | "matchers">,
  scope: string | undefined,
): SourceQueries {
  const pattern = [sides.canary, sides.stable].filter((side) => side !== undefined).join("|");
  const matchers = [scope, names.extra, `${sides.sideLabel}=~${quoted(pattern)}`]
    .filter((m) => m !== undefined)
    .join(",");
  return {
    kind: "queries",
    requests: {
      ...sides,
      metric: names.counter,
      matchers,
      isBad: (labels) => isBad(labels, names),
      badLabels: names.status.map((label) => `"${label}"`).join(" or "),
    },
    latency: { ...sides, metric: names.bucket, matchers, unitMs: names.unitMs },
  };
}

/** By the first of the labels that is there. A code of 0 is Envoy's word for no answer at all; an error type is one by
 * being there, and Linkerd has classes. */
function isBad(labels: Labels, { status, protocol = "" }: Names): boolean | undefined {
  const name = status.find((label) => (labels[label] ?? "") !== "");
  if (name === undefined) return undefined;
  const value = labels[name] as string;
  if (name === "error_type") return true;
  if (name === GRPC_STATUS || labels[protocol]?.startsWith("grpc") === true) return GRPC_FAULTS.has(value);
  return /^5(\d\d|xx)$/i.test(value) || value === "0" || value === "failure" || value === "error";
}

/** Istio's label for how a gRPC call ended; its HTTP status is 200 whatever happened. Empty for what is no gRPC. */
const GRPC_STATUS = "grpc_response_status";

/**
 * What a server is to blame for: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. The others are
 * answers that a caller may be given by a server in good health, as 4xx are: RESOURCE_EXHAUSTED is a quota, like 429.
 * @see https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ for the same list
 */
const GRPC_FAULTS: ReadonlySet<string> = new Set(["2", "4", "12", "13", "14", "15"]);

export function cannot(why: string): CannotSeparate {
  return { kind: "cannotSeparate", message: `${why}: use the pods' own metrics (source http or otel) or a mesh's` };
}
