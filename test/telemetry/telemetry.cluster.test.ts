import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { registered } from "../../scripts/metrics-reference.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { type CommandResult, run } from "../cluster/cluster.ts";
import { goTool } from "../cluster/go-tool.ts";
import { CHART, helm } from "../cluster/helm.ts";
import { ROOT } from "../cluster/playground.ts";

/** Alerts and dashboards ask for metrics that the code has, in queries that Prometheus reads, and each alert leads to help. */

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}

const ALERTS = "charts/zenith/files/alerts.yaml";
const rules = (parse(readFileSync(ALERTS, "utf8")) as Rules).groups.flatMap((group) => group.rules);

const FOLDER = "charts/zenith/files/dashboards";
interface Dashboard {
  readonly uid: string;
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}
const boards = readdirSync(FOLDER).map((name) => JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as Dashboard);

async function promtool(...args: string[]): Promise<CommandResult> {
  return await run((await ensureBinaries()).promtool, args);
}

/** Names of metrics that a query asks for: words that are followed by a selector, a range, or nothing that makes them a label. */
function metricsIn(expr: string): string[] {
  const withoutLabels = expr.replace(/\{[^}]*\}/g, "{}").replace(/\b(by|on|ignoring|group_left)\s*\([^)]*\)/g, "");
  return [...withoutLabels.matchAll(/\b[a-z][a-z0-9]*_[a-z0-9_]+\b(?!\s*\()/g)].map(([name]) => name);
}

const known = new Set(registered().map(({ name }) => name));

function isKnown(name: string): boolean {
  return (
    known.has(name) || known.has(name.replace(/_(bucket|sum|count)$/, "")) || name === "process_resident_memory_bytes"
  );
}

describe("the alerts", () => {
  test("are rules that Prometheus reads, and fire when they should and not before", async () => {
    expect(await promtool("check", "rules", ALERTS)).toMatchObject({ code: 0 });
    expect(await promtool("test", "rules", "test/telemetry/alerts.yaml")).toMatchObject({ code: 0 });
  });

  test("are each seen firing, and silent, in the unit tests", () => {
    interface Case {
      readonly alertname: string;
      readonly exp_alerts?: readonly unknown[];
    }
    const { tests } = parse(readFileSync("test/telemetry/alerts.yaml", "utf8")) as {
      tests: { alert_rule_test: Case[] }[];
    };
    const cases = tests.flatMap(({ alert_rule_test }) => alert_rule_test);
    const fires = cases.filter(({ exp_alerts = [] }) => exp_alerts.length > 0).map(({ alertname }) => alertname);
    const silent = cases.filter(({ exp_alerts = [] }) => exp_alerts.length === 0).map(({ alertname }) => alertname);
    const names = rules.map(({ alert }) => alert).sort();
    expect([...new Set(fires)].sort()).toEqual(names);
    expect([...new Set(silent)].sort()).toEqual(names);
  });

  test("ask for metrics that there are", () => {
    const asked = rules.flatMap(({ expr }) => metricsIn(expr));
    expect(asked.length).toBeGreaterThanOrEqual(rules.length);
    expect(asked.filter((name) => !isKnown(name))).toEqual([]);
  });

  test("name a severity, and a runbook that is there", () => {
    for (const { alert, labels, annotations } of rules) {
      expect(["critical", "warning", "info"], alert).toContain(labels.severity);
      expect(annotations.runbook_url).toBe(`RUNBOOKS/${alert}.md`);
      const book = readFileSync(`docs/runbooks/${alert}.md`, "utf8");
      expect(book.match(/^#+ .*/gm), alert).toEqual([
        `# ${alert}`,
        ...["Meaning", "Impact", "Diagnosis", "Mitigation"].map((part) => `## ${part}`),
      ]);
    }
    expect(readdirSync("docs/runbooks").sort()).toEqual(rules.map(({ alert }) => `${alert}.md`).sort());
  });

  test("name reasons that a Rollout can have", () => {
    const reasons = readFileSync("docs/reference/reasons.md", "utf8");
    const asked = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/reason=~?"([^"]+)"/g)].flatMap(([, names = ""]) => names.split("|")),
    );
    expect(asked.length).toBeGreaterThan(15);
    expect(asked.filter((reason) => !reasons.includes(`| \`${reason}\` |`))).toEqual([]);
  });
});

describe("the dashboards", () => {
  const queries = boards.flatMap(({ uid, panels }) =>
    panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ at: `${uid}: ${title}`, expr }))),
  );

  test("ask what Prometheus reads", async () => {
    expect(queries.length).toBeGreaterThan(20);
    const folder = mkdtempSync(join(tmpdir(), "zenith-dashboards-"));
    try {
      const recorded = queries.map(({ expr }, i) => ({ record: `query:${i}`, expr: filledIn(expr) }));
      writeFileSync(join(folder, "rules.yaml"), stringify({ groups: [{ name: "dashboards", rules: recorded }] }));
      const { code, stdout, stderr } = await promtool("check", "rules", join(folder, "rules.yaml"));
      expect({ code, stderr: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, stderr: "" });
      writeFileSync(
        join(folder, "rules.yaml"),
        stringify({ groups: [{ name: "a", rules: [{ record: "a", expr: "sum(" }] }] }),
      );
      expect((await promtool("check", "rules", join(folder, "rules.yaml"))).code).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("ask for metrics that there are, and by variables that they have", () => {
    for (const { at, expr } of queries) {
      expect(metricsIn(expr).length, at).toBeGreaterThan(0);
      expect(
        metricsIn(expr).filter((name) => !isKnown(name)),
        at,
      ).toEqual([]);
    }
    for (const { uid, panels, templating } of boards) {
      const own = templating.list.map(({ name }) => name);
      const used = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)]));
      const names = used.map(([, name = ""]) => name).filter((name) => !name.startsWith("__"));
      expect(
        names.filter((name) => !own.includes(name)),
        uid,
      ).toEqual([]);
    }
  });

  test("show every metric of a Rollout", () => {
    const shown = queries.flatMap(({ expr }) => metricsIn(expr));
    expect([...known].filter((name) => name.startsWith("zenith_rollout_") && !shown.includes(name))).toEqual([]);
  });
});

/** As Grafana does before it asks. */
function filledIn(expr: string): string {
  return expr.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "1h").replace(/\$\w+/g, "shop");
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: manifests of several kinds, of which each test names the path that it reads
  readonly spec?: any;
}

describe("the chart, asked for monitoring", () => {
  const on = ["serviceMonitor", "prometheusRule", "dashboards"].flatMap((what) => [
    "--set",
    `metrics.${what}.enabled=true`,
  ]);
  const rendered = helm([
    "template",
    "zenith",
    CHART,
    ...on,
    "--set",
    "metrics.prometheusRule.runbookBaseUrl=https://runbooks/",
    "--set",
    "metrics.prometheusRule.labels.release=prometheus,metrics.serviceMonitor.labels.release=prometheus",
  ]);

  let program: string;
  beforeAll(async () => {
    program = await goTool(join(ROOT, "test/cluster/monitoring")); // Go may have to build it, which takes minutes.
  });

  async function objects(kind: string): Promise<Manifest[]> {
    const { stdout } = await rendered;
    return parseAllDocuments(stdout)
      .map((document) => document.toJS() as Manifest)
      .filter((object) => object?.kind === kind);
  }

  test("ships those alerts, with where its runbooks are", async () => {
    const [rule] = await objects("PrometheusRule");
    const wanted = readFileSync(ALERTS, "utf8").replaceAll("RUNBOOKS/", "https://runbooks/");
    expect(rule?.spec).toEqual(parse(wanted));
  });

  test("ships those dashboards, where Grafana's sidecar looks", async () => {
    const maps = await objects("ConfigMap");
    expect(maps.map(({ metadata }) => metadata.labels.grafana_dashboard)).toEqual(boards.map(() => "1"));
    const shipped = Object.assign({}, ...maps.map(({ data }) => data)) as Record<string, string>;
    expect(Object.keys(shipped).sort()).toEqual(readdirSync(FOLDER).sort());
    for (const [name, text] of Object.entries(shipped)) expect(text).toBe(readFileSync(join(FOLDER, name), "utf8"));
  });

  test("scrapes Services that there are, by a port that they have", async () => {
    const services = await objects("Service");
    const monitors = await objects("ServiceMonitor");
    expect(monitors.length).toBeGreaterThan(0);
    for (const { spec } of monitors) {
      const wanted = Object.entries(spec.selector.matchLabels as Record<string, string>);
      const found = services.filter(({ metadata }) => wanted.every(([key, value]) => metadata.labels[key] === value));
      const ports = found.flatMap((service) => service.spec.ports.map(({ name }: { name: string }) => name));
      for (const { port } of spec.endpoints) expect(ports).toContain(port);
    }
  });

  test("ships what the Prometheus Operator's own types read, without a field that they do not know", async () => {
    const { stdout: manifests } = await rendered;
    const read = await run(program, [], { input: manifests });
    expect(read).toMatchObject({ code: 0, stderr: "" });
    const wanted = ["PrometheusRule zenith", "ServiceMonitor zenith-flags", "ServiceMonitor zenith-operator"];
    expect(read.stdout.trim().split("\n").sort()).toEqual(wanted);
    const misspelt = await run(program, [], { input: manifests.replace("interval: 30s", "intervall: 30s") });
    expect(misspelt).toMatchObject({ code: 1, stderr: expect.stringContaining("spec.endpoints[0].intervall") });
    const alsoWrong = await run(program, [], {
      input: manifests.replace(/severity: critical/, "severity: [critical]"),
    });
    expect(alsoWrong.code).toBe(1);
  });

  test("ships none of it unless asked", async () => {
    const { stdout } = await helm(["template", "zenith", CHART]);
    expect(stdout).not.toMatch(/^kind: (ServiceMonitor|PrometheusRule|ConfigMap)$/m);
  });
});
