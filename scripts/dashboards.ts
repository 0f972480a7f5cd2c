/** Grafana dashboards of Zenith, as data: what each panel asks Prometheus, and how it is drawn. */

interface Query {
  readonly expr: string;
  readonly legend?: string;
}

interface Panel {
  readonly title: string;
  readonly about: string;
  readonly kind: "timeseries" | "stat" | "table";
  readonly width: number; // of 24
  readonly unit?: string;
  readonly queries: readonly Query[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  /** Variables beside the data source: name, and the metric whose label of that name it takes. */
  readonly variables: readonly (readonly [name: string, query: string])[];
  readonly panels: readonly Panel[];
}

const HERE = 'namespace=~"$namespace"';
const ONE = 'namespace="$namespace", rollout="$rollout"';
/** Metrics that every controller has, narrowed to the pods that have the Lease metric: Zenith's. */
const ours = (expr: string) =>
  `${expr} * on (job, instance) group_left () (leader_election_master_status{name="zenith-operator"} == 1)`;

const OVERVIEW: Dashboard = {
  uid: "zenith-overview",
  title: "Zenith / Overview",
  variables: [["namespace", "label_values(zenith_rollout_status, namespace)"]],
  panels: [
    {
      title: "Rollouts by phase",
      about: "Every Rollout, once.",
      kind: "stat",
      width: 12,
      queries: [{ expr: `sum by (phase) (zenith_rollout_status{${HERE}})`, legend: "{{phase}}" }],
    },
    {
      title: "Releases in this time",
      about: "Started, promoted, reverted.",
      kind: "stat",
      width: 12,
      queries: [
        { expr: `sum by (event) (increase(zenith_rollout_releases_total{${HERE}}[$__range]))`, legend: "{{event}}" },
      ],
    },
    {
      title: "Need someone",
      about: "Paused, reverted or failed, and why; docs/reference/reasons.md says what to do.",
      kind: "table",
      width: 24,
      queries: [{ expr: `zenith_rollout_status{${HERE}, phase=~"Paused|Reverted|Failed"} == 1` }],
    },
    {
      title: "On their way",
      about: "Effective weight of each canary.",
      kind: "timeseries",
      width: 12,
      unit: "percent",
      queries: [
        { expr: `zenith_rollout_weight_percent{${HERE}, state="effective"}`, legend: "{{namespace}}/{{rollout}}" },
      ],
    },
    {
      title: "Queries of Prometheus",
      about: "An outage is never a breach, but nothing rises while it lasts.",
      kind: "timeseries",
      width: 12,
      unit: "reqps",
      queries: [
        { expr: "sum by (outcome) (rate(zenith_prometheus_requests_total[$__rate_interval]))", legend: "{{outcome}}" },
      ],
    },
    {
      title: "How late decisions are",
      about: "99 of 100 are looked at within, and decided within.",
      kind: "timeseries",
      width: 12,
      unit: "s",
      queries: [
        {
          expr: `histogram_quantile(0.99, sum by (le) (${ours("rate(workqueue_queue_duration_seconds_bucket[$__rate_interval])")}))`,
          legend: "waited",
        },
        {
          expr: `histogram_quantile(0.99, sum by (le) (${ours("rate(controller_runtime_reconcile_time_seconds_bucket[$__rate_interval])")}))`,
          legend: "a pass",
        },
      ],
    },
    {
      title: "Passes",
      about: "By how they ended.",
      kind: "timeseries",
      width: 12,
      unit: "ops",
      queries: [
        {
          expr: `sum by (controller, result) (${ours("rate(controller_runtime_reconcile_total[$__rate_interval])")})`,
          legend: "{{controller}} {{result}}",
        },
      ],
    },
    {
      title: "Requests to the API server",
      about: "By answer. 409 is part of every day; 403 is a missing right.",
      kind: "timeseries",
      width: 12,
      unit: "reqps",
      queries: [
        {
          expr: `sum by (code) (${ours("rate(rest_client_requests_total[$__rate_interval])")})`,
          legend: "{{code}}",
        },
      ],
    },
    {
      title: "Memory of the leader",
      about: "Resident.",
      kind: "timeseries",
      width: 12,
      unit: "bytes",
      queries: [{ expr: ours("process_resident_memory_bytes"), legend: "{{instance}}" }],
    },
  ],
};

const ROLLOUT: Dashboard = {
  uid: "zenith-rollout",
  title: "Zenith / Rollout",
  variables: [
    ["namespace", "label_values(zenith_rollout_status, namespace)"],
    ["rollout", 'label_values(zenith_rollout_status{namespace="$namespace"}, rollout)'],
  ],
  panels: [
    {
      title: "Status",
      about: "Phase, and the reason for it.",
      kind: "stat",
      width: 12,
      queries: [{ expr: `zenith_rollout_status{${ONE}}`, legend: "{{phase}}: {{reason}}" }],
    },
    {
      title: "Pods",
      about: "Wanted, and ready.",
      kind: "stat",
      width: 12,
      queries: [{ expr: `zenith_rollout_replicas{${ONE}}`, legend: "{{state}}" }],
    },
    {
      title: "Weight of the canary",
      about: "Desired by the step, written into routes, and effective.",
      kind: "timeseries",
      width: 16,
      unit: "percent",
      queries: [{ expr: `zenith_rollout_weight_percent{${ONE}}`, legend: "{{state}}" }],
    },
    {
      title: "Step",
      about: "From 0.",
      kind: "timeseries",
      width: 8,
      queries: [{ expr: `zenith_rollout_step{${ONE}}`, legend: "step" }],
    },
    {
      title: "What it is judged by",
      about: "Canary and stable, and the limit.",
      kind: "timeseries",
      width: 16,
      queries: [
        { expr: `zenith_rollout_metric_value{${ONE}}`, legend: "{{metric}} {{side}}" },
        { expr: `zenith_rollout_metric_limit{${ONE}}`, legend: "{{metric}} limit" },
      ],
    },
    {
      title: "Evidence against the canary",
      about: "N to one; 100 to one reverts.",
      kind: "timeseries",
      width: 8,
      queries: [{ expr: `zenith_rollout_metric_evidence{${ONE}}`, legend: "{{metric}}" }],
    },
    {
      title: "Verdicts",
      about: "The present one of each metric.",
      kind: "table",
      width: 12,
      queries: [{ expr: `zenith_rollout_metric_verdict{${ONE}} == 1` }],
    },
    {
      title: "Releases",
      about: "Started, promoted, reverted, in this time.",
      kind: "stat",
      width: 12,
      queries: [
        { expr: `sum by (event) (increase(zenith_rollout_releases_total{${ONE}}[$__range]))`, legend: "{{event}}" },
      ],
    },
  ],
};

const FLAGS: Dashboard = {
  uid: "zenith-flags",
  title: "Zenith / Flags",
  variables: [],
  panels: [
    {
      title: "Evaluations",
      about: "By protocol and outcome.",
      kind: "timeseries",
      width: 12,
      unit: "reqps",
      queries: [
        {
          expr: "sum by (protocol, outcome) (rate(zenith_flag_evaluations_total[$__rate_interval]))",
          legend: "{{protocol}} {{outcome}}",
        },
      ],
    },
    {
      title: "Clients that are told of changes",
      about: "Streams that are open.",
      kind: "timeseries",
      width: 12,
      queries: [{ expr: "sum by (kind) (zenith_flag_streams)", legend: "{{kind}}" }],
    },
    {
      title: "From a change to its clients",
      about: "99 of 100 leave the server within.",
      kind: "timeseries",
      width: 12,
      unit: "s",
      queries: [
        {
          expr: "histogram_quantile(0.99, sum by (le, kind) (rate(zenith_flag_delivery_seconds_bucket[$__rate_interval])))",
          legend: "{{kind}}",
        },
      ],
    },
    {
      title: "Flags served",
      about: "By server: all should serve the same.",
      kind: "timeseries",
      width: 12,
      queries: [{ expr: "zenith_flags_served", legend: "{{instance}}" }],
    },
  ],
};

const SOURCE = { type: "prometheus", uid: "$datasource" };
const HEIGHT = 8;

/** File name to JSON, as Grafana imports it. */
export function dashboards(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [OVERVIEW, ROLLOUT, FLAGS].map((dashboard) => [
      `${dashboard.uid}.json`,
      `${JSON.stringify(drawn(dashboard), undefined, 2)}\n`,
    ]),
  );
}

function drawn({ uid, title, variables, panels }: Dashboard): object {
  const multi = variables.length === 1;
  return {
    uid,
    title,
    tags: ["zenith"],
    editable: true,
    schemaVersion: 39,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
        ...variables.map(([name, query]) => ({
          name,
          type: "query",
          datasource: SOURCE,
          query: { query, refId: name },
          refresh: 2,
          sort: 1,
          ...(multi
            ? { multi: true, includeAll: true, allValue: ".*", current: { text: "All", value: "$__all" } }
            : {}),
        })),
      ],
    },
    panels: placed(panels),
  };
}

/** Left to right, a new row where one does not fit. */
function placed(panels: readonly Panel[]): object[] {
  let [x, y] = [0, 0];
  return panels.map((panel, i) => {
    if (x + panel.width > 24) [x, y] = [0, y + HEIGHT];
    const at = { x, y, w: panel.width, h: HEIGHT };
    x += panel.width;
    return panelOf(panel, i + 1, at);
  });
}

function panelOf({ title, about, kind, unit, queries }: Panel, id: number, gridPos: object): object {
  const instant = kind !== "timeseries";
  return {
    id,
    type: kind,
    title,
    description: about,
    datasource: SOURCE,
    gridPos,
    fieldConfig: { defaults: { ...(unit === undefined ? {} : { unit }), min: 0 }, overrides: [] },
    ...(kind === "stat" ? { options: { textMode: "value_and_name", colorMode: "none" } } : {}),
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: SOURCE,
      expr,
      ...(legend === undefined ? {} : { legendFormat: legend }),
      ...(instant ? { instant: true, range: false } : {}),
      ...(kind === "table" ? { format: "table" } : {}),
    })),
  };
}
