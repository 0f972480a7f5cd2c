import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { customResource } from "../src/api/crd.ts";
import { KINDS, type Kind } from "../src/api/kinds.ts";
import { argoConfigMap } from "./argo-cd.ts";
import { chartCrd, chartReadme } from "./chart.ts";
import { cliReference } from "./cli-reference.ts";
import { configurationReference } from "./configuration-reference.ts";
import { dashboards } from "./dashboards.ts";
import { metricsReference } from "./metrics-reference.ts";
import { pictures } from "./pictures/pictures.ts";
import { chartFile, project, valuesFile } from "./project.ts";
import { protosJson } from "./protos.ts";
import { reasonsReference } from "./reasons.ts";
import { referenceOf } from "./reference.ts";
import { withFigures } from "./sizing.ts";

/** `npm run generate` writes what comes from the schemas; `--check` only compares, and fails on a difference. */
const HEAD = "# Generated from src/api by npm run generate; do not edit.\n";
const INTRODUCTION = `<!-- Generated from src/api by npm run generate; do not edit. -->

The fields of \`spec\` in \`zenith.sh/v1alpha1\`. Those with an asterisk are required where what holds them is there.
`;
const UNITS = `- **Durations** are one integer and \`s\`, \`m\`, \`h\` or \`d\`, at most 365d: \`90s\`, \`10m\`, \`7d\`.
- **Percentages** are text with a sign, \`"0.5%"\`; only \`weight\` takes bare numbers too.`;
const TOLD = `- What the API server refuses at apply says where it stood and what is accepted. What only the cluster can show is told in
  conditions within seconds: [reasons.md](reasons.md).`;
const TIMES = `- **Times** are RFC 3339, \`2027-03-01T00:00:00Z\`.`;
const QUOTES = `- **YAML reads on, off, yes and no as true and false**: write variants with quotes, \`"on"\`.`;

interface Page {
  readonly kind: Kind;
  readonly page: string;
  readonly introduction: readonly string[];
}
const SAMPLES = " Samples: [manifests/samples](../../manifests/samples).";
const PAGES: readonly Page[] = [
  { kind: KINDS.Rollout, page: "rollout", introduction: [INTRODUCTION, UNITS, `${TOLD}${SAMPLES}`] },
  { kind: KINDS.FeatureFlag, page: "feature-flag", introduction: [INTRODUCTION, UNITS, TIMES, QUOTES, TOLD] },
  { kind: KINDS.FlagSegment, page: "flag-segment", introduction: [INTRODUCTION, TOLD] },
  { kind: KINDS.KillSwitch, page: "kill-switch", introduction: [INTRODUCTION, TIMES, TOLD] },
];
const files = Object.fromEntries(
  PAGES.flatMap(({ kind: { options, spec, status }, page, introduction }) => [
    [
      `crds/zenith.sh_${options.plural}.yaml`,
      HEAD + stringify(customResource(options, spec, status), { lineWidth: 0, aliasDuplicateObjects: false }),
    ],
    [`docs/reference/${page}.md`, referenceOf(options.kind, introduction.join("\n"), spec)],
  ]),
);

const CHART = `# zenith

<!-- Generated from values.yaml by npm run generate; do not edit. -->

Installs Zenith, a progressive-delivery operator: its definitions, the operator, and what it may do.
[docs/install.md](../../docs/install.md) tells how to install, upgrade, go back and uninstall.

    helm install zenith charts/zenith -n zenith-system --create-namespace --set prometheus.url=http://prometheus.monitoring:9090
    helm test zenith -n zenith-system
`;
const values = valuesFile(readFileSync("charts/zenith/values.yaml", "utf8"));
const chart: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(files)
      .filter(([path]) => path.startsWith("crds/"))
      .map(([path, text]) => [`charts/zenith/files/${path}`, chartCrd(text)]),
  ),
  ...Object.fromEntries(
    Object.entries(dashboards()).map(([name, text]) => [`charts/zenith/files/dashboards/${name}`, text]),
  ),
  "integrations/argo-cd/argocd-cm.yaml": argoConfigMap(),
  "docs/reference/metrics.md": metricsReference(),
  "charts/zenith/Chart.yaml": chartFile(readFileSync("charts/zenith/Chart.yaml", "utf8")),
  "charts/zenith/values.yaml": values,
  "charts/zenith/README.md": chartReadme(CHART, values),
};

const check = process.argv.includes("--check");
const others = {
  ...pictures(),
  "src/serving/grpc/protos.json": protosJson(),
  "docs/reference/cli.md": cliReference(),
  "docs/reference/configuration.md": configurationReference(),
  "src/telemetry/version.ts": versionFile(),
  "docs/reference/reasons.md": reasonsReference(),
  "docs/sizing.md": withFigures(readFileSync("docs/sizing.md", "utf8")),
};
for (const [path, text] of Object.entries({ ...files, ...chart, ...others })) {
  const current = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (current === text) continue;
  if (check) {
    console.error(`${path} differs from what it is made from; run npm run generate and commit it`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}

/** What the programs say that they are. */
function versionFile(): string {
  return `// Generated from package.json by npm run generate; do not edit.\nexport const VERSION = "${project().version}";\n`;
}
