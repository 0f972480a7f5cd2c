import { describe, expect, test } from "vitest";
import { queriesOf, type Source, type SourceQueries } from "../../src/metrics/queries.ts";
import { subject } from "./subject.ts";

function queries(source: Source, given = subject, labels = {}): SourceQueries {
  const found = queriesOf(source, given, labels);
  if (found.kind !== "queries") throw new Error(found.message);
  return found;
}

const pods = 'pod=~"web-6d4c-[a-z0-9]{5}|web-58bf-[a-z0-9]{5}"';

describe("queriesOf()", () => {
  test.each<[Source, string, string, number]>([
    ["http", `http_requests_total{namespace="shop",${pods}}`, "http_request_duration_seconds_bucket", 1000],
    [
      "otel",
      `http_server_request_duration_seconds_count{k8s_namespace_name="shop",k8s_${pods.replace("pod", "pod_name")}}`,
      "http_server_request_duration_seconds_bucket",
      1000,
    ],
    [
      "istio",
      `istio_requests_total{destination_workload_namespace="shop",reporter="destination",${pods}}`,
      "istio_request_duration_milliseconds_bucket",
      1,
    ],
    ["linkerd", `response_total{namespace="shop",direction="inbound",${pods}}`, "response_latency_ms_bucket", 1],
    [
      "envoy",
      'envoy_cluster_upstream_rq{envoy_cluster_name=~"shop_web-canary_[^_]+|shop_web_[^_]+"}',
      "envoy_cluster_upstream_rq_time_bucket",
      1,
    ],
    [
      "traefik",
      'traefik_service_requests_total{service=~"(?:.*-svc-)?shop-web-canary-[^-@]+(?:@.*)?|(?:.*-svc-)?shop-web-[^-@]+(?:@.*)?"}',
      "traefik_service_request_duration_seconds_bucket",
      1000,
    ],
  ])("%s: raw series of both sides in one selector", (source, requests, bucket, unitMs) => {
    const found = queries(source);
    expect(`${found.requests.metric}{${found.requests.matchers}}`).toBe(requests);
    expect(found.latency).toMatchObject({ metric: bucket, matchers: found.requests.matchers, unitMs });
  });

  test.each<[Source, Record<string, string>, boolean | undefined]>([
    ["http", { status: "503" }, true],
    ["http", { code: "200" }, false],
    ["http", { status: "5xx" }, true],
    ["http", { method: "GET" }, undefined],
    ["otel", { http_response_status_code: "500", error_type: "500" }, true],
    ["otel", { error_type: "timeout" }, true],
    ["otel", { http_response_status_code: "404", error_type: "404" }, false],
    ["istio", { response_code: "0" }, true],
    ["istio", { response_code: "404" }, false],
    // A gRPC call has HTTP status 200 whatever comes of it: how it ended is another label's to say.
    ["istio", { response_code: "200", grpc_response_status: "0" }, false],
    ["istio", { response_code: "200", grpc_response_status: "13" }, true],
    ["istio", { response_code: "200", grpc_response_status: "14" }, true],
    ["istio", { response_code: "200", grpc_response_status: "5" }, false],
    ["istio", { response_code: "200", grpc_response_status: "8" }, false],
    ["istio", { response_code: "503", grpc_response_status: "" }, true],
    ["traefik", { code: "0", protocol: "grpc" }, false],
    ["traefik", { code: "13", protocol: "grpc" }, true],
    ["traefik", { code: "2", protocol: "grpc-web" }, true],
    ["traefik", { code: "7", protocol: "grpc" }, false],
    ["traefik", { code: "502", protocol: "http" }, true],
    ["envoy", { envoy_response_code: "504" }, true],
    ["traefik", { code: "499" }, false],
    ["linkerd", { classification: "failure" }, true],
    ["linkerd", { classification: "success" }, false],
  ])("%s: %j is bad: %s", (source, labels, bad) => {
    expect(queries(source).requests.isBad(labels)).toBe(bad);
  });

  test.each<[string, string, "canary" | "stable" | "neither"]>([
    ["traefik", "shop-web-80@kubernetes", "stable"],
    ["traefik", "shop-web-canary-80@kubernetes", "canary"],
    ["traefik", "httproute-shop-web-gw-svc-shop-web-canary-http@kubernetesgateway", "canary"],
    ["traefik", "a-shop-web-80@kubernetes", "neither"],
    ["traefik", "shop-web-admin-80@kubernetes", "neither"],
    ["envoy", "shop_web_80", "stable"],
    ["envoy", "shop_web-canary_http", "canary"],
    ["envoy", "other_shop_web_80", "neither"],
  ])("%s: %s belongs to %s", (source, value, side) => {
    const { canary, stable } = queries(source as Source).requests;
    const matches = (pattern: string | undefined) => new RegExp(`^(?:${pattern})$`).test(value);
    expect({ canary: matches(canary), stable: matches(stable) }).toEqual({
      canary: side === "canary",
      stable: side === "stable",
    });
  });

  test("takes other label names", () => {
    const { requests } = queries("http", subject, {
      namespace: "kubernetes_namespace",
      pod: "kubernetes_pod_name",
      status: "http_status",
    });
    expect(requests.matchers).toBe(`kubernetes_namespace="shop",kubernetes_${pods.replace("pod", "pod_name")}`);
    expect([requests.isBad({ http_status: "500" }), requests.isBad({ status: "500" })]).toEqual([true, undefined]);
  });

  test("selects the canary alone on a first deploy", () => {
    const { stable: _, ...first } = subject;
    expect(queries("http", first).requests.matchers).toBe('namespace="shop",pod=~"web-6d4c-[a-z0-9]{5}"');
  });

  test.each([
    ["nginx", subject, /^nginx counts by Ingress/],
    [
      "envoy",
      { ...subject, gatewayControllers: ["gateway.envoyproxy.io/gatewayclass-controller"] },
      /^Envoy Gateway counts/,
    ],
    ["envoy", { ...subject, speaksGrpc: true }, /^Envoy's clusters count a gRPC call that failed as HTTP 200/],
    [
      "traefik",
      { ...subject, canary: { ...subject.canary, service: "web" } },
      /^A proxy tells the sides apart by their Services/,
    ],
  ] as const)("refuses %s where it cannot separate the sides, and says what to use", (source, given, message) => {
    const found = queriesOf(source, given);
    expect(found.kind).toBe("cannotSeparate");
    expect((found as { message: string }).message).toMatch(message);
    expect((found as { message: string }).message).toMatch(/source http or otel/);
  });
});
