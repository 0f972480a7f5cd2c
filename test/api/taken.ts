/** Inputs that look odd and are taken, by their number in the list of ninety: a merge patch of `GOOD` as YAML. */
export interface Taken {
  readonly number: number;
  readonly what: string;
  readonly patch: string;
}

const steps = (...list: readonly string[]) => `spec: {strategy: {canary: {steps: [${list.join(", ")}]}}}`;

export const TAKEN: readonly Taken[] = [
  { number: 2, what: "fifty steps", patch: steps(...Array(50).fill("{weight: 5}")) },
  {
    number: 3,
    what: "weights with a sign, and with two decimals",
    patch: steps('{weight: "20%"}', '{weight: "33.33%"}'),
  },
  { number: 3, what: "weight 0 and weight 100", patch: steps("{weight: 0}", "{weight: 100}") },
  { number: 4, what: "weights that fall", patch: steps("{weight: 50}", "{weight: 10}", "{weight: 75}") },
  { number: 6, what: "only 100", patch: steps("{weight: 100}") },
  { number: 7, what: "a last step below 100", patch: steps("{weight: 20}") },
  {
    number: 8,
    what: "a pause beyond what a timer can count",
    patch: steps("{pause: {for: 365d}}", "{pause: {for: 8760h}}"),
  },
  { number: 9, what: "a pause without a time", patch: steps("{weight: 5}", "{pause: {}}") },
  { number: 11, what: "as many replicas as there may be", patch: "spec: {replicas: 100000}" },
  {
    number: 13,
    what: "no surge, where pods may lack",
    patch: "spec: {strategy: {canary: {maxSurge: 0, maxUnavailable: 1}}}",
  },
  {
    number: 30,
    what: "a limit below and one above",
    patch: "spec: {analysis: {metrics: [{query: {name: a, promql: up, min: -1, max: 0.5}}]}}",
  },
  {
    number: 31,
    what: "a gate that one value opens",
    patch: "spec: {gates: [{metric: {name: load, promql: up, min: 1, max: 1}}]}",
  },
  { number: 32, what: "an interval longer than a step", patch: "spec: {analysis: {interval: 1h}}" },
  {
    number: 37,
    what: "two queries beside both built-in metrics",
    patch:
      "spec: {analysis: {metrics: [{errorRate: {max: 1%}}, {latency: {max: 2s}}, {query: {name: a, promql: up, max: 1}}, {query: {name: b, promql: up, max: 1}}]}}",
  },
  { number: 48, what: "a deadline shorter than a pause", patch: "spec: {progressDeadline: 30s}" },
  {
    number: 59,
    what: "letters of any script in annotations",
    patch: 'metadata: {annotations: {note: "日本語 \\u202e txet"}}',
  },
];
