/** What one side of a release is called, for selecting its series. */
export interface SideNames {
  readonly hash: string;
  readonly replicaSet: string;
  /** Regular expression that matches the names of its pods and no others; PromQL anchors it. */
  readonly pods: string;
  /** Absent without routes: both sides are then behind one Service. */
  readonly service?: string;
}

/** What a release is called, for selecting its series. */
export interface RolloutSubject {
  readonly kind: "rollout";
  readonly namespace: string;
  readonly rollout: string;
  readonly service?: string;
  readonly canary: SideNames;
  /** Absent on a first deploy. */
  readonly stable?: SideNames;
  readonly weightBp: number; // basis points
  /** Controller names of the Gateways that the routes are attached to, as they sign in the routes' status. */
  readonly gatewayControllers?: readonly string[];
  /** Whether a route is a GRPCRoute. */
  readonly speaksGrpc?: boolean;
}

/** What a ramp of a flag is called, for selecting its series. */
export interface FlagSubject {
  readonly kind: "flag";
  readonly namespace: string;
  /** What programs ask for. */
  readonly key: string;
  /** The variant that is judged, and the one that it is compared with. */
  readonly treated: string;
  readonly control: string;
  readonly weightBp: number; // basis points
}

export type Subject = RolloutSubject | FlagSubject;

export type Rendered =
  | { readonly kind: "ok"; readonly promql: string }
  | { readonly kind: "refused"; readonly message: string };

/** Where a variable may stand: text only inside quotes, where it is escaped; a duration or a number anywhere. */
interface Variable {
  readonly type: "text" | "duration" | "number";
  readonly value: string | undefined;
}

const SIDE_FIELDS = ["hash", "replicaSet", "pods", "service"] as const;

/** Every variable that a query of a Rollout may name, and of a FeatureFlag. */
export const QUERY_VARIABLES: Readonly<Record<Subject["kind"], readonly string[]>> = {
  rollout: [
    ...["namespace", "rollout", "service", "window", "weight"],
    ...["canary", "stable"].flatMap((side) => SIDE_FIELDS.map((field) => `${side}.${field}`)),
  ],
  flag: ["namespace", "flag", "variant", "control", "window", "weight"],
};

/**
 * Fills in the `{{variables}}` of a user's query.
 * @param side run for `stable`, every `canary.` variable says what it would say of stable, and `variant` names the control
 * @param windowMs becomes `{{window}}`, a PromQL duration
 * @returns the query, or why it cannot be rendered: a variable that is unknown, has no value here, or stands outside quotes
 * @example renderQuery('max(load{pod=~"{{canary.pods}}"})', subject, "canary", 60_000)
 */
export function renderQuery(promql: string, subject: Subject, side: "canary" | "stable", windowMs: number): Rendered {
  const variables = variablesOf(subject, side, windowMs);
  let rendered = "";
  for (const { text, quote } of partsOf(promql)) {
    let refusal: string | undefined;
    rendered += text.replaceAll(/\{\{\s*([^{}]*?)\s*\}\}/g, (_, name: string) => {
      const variable = variables.get(name);
      refusal ??= refusalOf(subject, name, variable, quote);
      return escaped(variable?.value ?? "", quote);
    });
    if (refusal !== undefined) return { kind: "refused", message: refusal };
  }
  return { kind: "ok", promql: rendered };
}

function refusalOf({ kind }: Subject, name: string, variable: Variable | undefined, quote: string): string | undefined {
  if (variable === undefined) return `{{${name}}} is unknown; there are ${QUERY_VARIABLES[kind].join(", ")}`;
  if (variable.value === undefined) return `{{${name}}} has no value for this Rollout`;
  if (variable.type === "text" && quote === "") return `{{${name}}} must stand inside quotes`;
  if (quote === "`" && variable.value.includes("`")) return `{{${name}}} cannot stand inside backquotes`;
  return undefined;
}

function variablesOf(subject: Subject, side: "canary" | "stable", windowMs: number): Map<string, Variable> {
  const variables = new Map<string, Variable>([
    ["namespace", { type: "text", value: subject.namespace }],
    ["window", { type: "duration", value: `${Math.max(1, Math.round(windowMs / 1000))}s` }],
    ["weight", { type: "number", value: String(subject.weightBp / 100) }],
  ]);
  const text = (name: string, value: string | undefined) => variables.set(name, { type: "text", value });
  if (subject.kind === "flag") {
    text("flag", subject.key);
    text("variant", side === "canary" ? subject.treated : subject.control);
    text("control", subject.control);
    return variables;
  }
  text("rollout", subject.rollout);
  text("service", subject.service);
  for (const field of SIDE_FIELDS) {
    const ofCanary = side === "canary" ? subject.canary : subject.stable;
    text(`canary.${field}`, ofCanary?.[field]);
    text(`stable.${field}`, subject.stable?.[field]);
  }
  return variables;
}

interface Part {
  readonly text: string;
  readonly quote: "" | '"' | "'" | "`";
}

/** Divides a query into what stands in quotes and what does not; comments count as outside. */
function partsOf(promql: string): Part[] {
  const strings = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*/gs;
  const parts: Part[] = [];
  let at = 0;
  for (const match of promql.matchAll(strings)) {
    parts.push({ text: promql.slice(at, match.index), quote: "" });
    const first = match[0][0] as '"' | "'" | "`" | "#";
    if (first !== "#") parts.push({ text: match[0], quote: first }); // A comment says nothing.
    at = match.index + match[0].length;
  }
  return [...parts, { text: promql.slice(at), quote: "" }];
}

function escaped(value: string, quote: Part["quote"]): string {
  if (quote === "" || quote === "`") return value;
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll(quote, `\\${quote}`);
}

/** A PromQL string literal. */
export function quoted(value: string): string {
  return `"${escaped(value, '"')}"`;
}

/** A pattern that matches `text` and nothing else. */
export function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
