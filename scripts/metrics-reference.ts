import { readFileSync } from "node:fs";
import { registry } from "../src/telemetry/metrics.ts";
import "../src/controllers/feature-flag/metrics.ts";
import "../src/controllers/observed-source.ts";
import "../src/controllers/rollout/metrics.ts";
import "../src/serving/metrics.ts";

/** docs/reference/metrics.md, from what the code registers: names, labels and words cannot differ from it. */

interface Registered {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames?: readonly string[];
}

/** Metrics that every program on Node has, by prom-client. */
const OF_NODE = /^(process|nodejs)_/;

const HEAD = `# Metrics

<!-- Generated from the metrics that the code registers, by npm run generate; do not edit. -->

Served at \`/metrics\`, by the operator at \`--metrics-bind-address\` (\`:8080\`). Names that other controllers have too are theirs; ours
begin with \`zenith_\`. No label holds what a client sent, and every series of an object goes with it.

`;

/** Every metric of ours. */
export function registered(): Registered[] {
  const all = registry.getMetricsAsArray() as unknown as Registered[];
  return all.filter(({ name }) => !OF_NODE.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function metricsReference(): string {
  const rows = registered().map(({ name, type, labelNames = [], help }) => {
    const labels = labelNames.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
  });
  const alerts = [...readFileSync("charts/zenith/files/alerts.yaml", "utf8").matchAll(/- alert: (\w+)/g)];
  const list = alerts.map(([, name]) => `- [${name}](../runbooks/${name}.md)`);
  return `${HEAD}| Metric | Type | Labels | What it is |
|---|---|---|---|
${rows.join("\n")}
| \`process_*\`, \`nodejs_*\` | | | What every program on Node tells: memory, CPU, event loop, garbage collection. |

## Alerts

In the chart by \`metrics.prometheusRule.enabled\`; the rules themselves are in
[charts/zenith/files/alerts.yaml](../../charts/zenith/files/alerts.yaml). Each has a runbook:

${list.join("\n")}

## Dashboards

For Grafana, in [charts/zenith/files/dashboards](../../charts/zenith/files/dashboards); by \`metrics.dashboards.enabled\` the chart makes
ConfigMaps that Grafana's sidecar finds.
`;
}
