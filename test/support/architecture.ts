import { posix } from "node:path";
import { parseAst } from "vitest/node";

/** The rules of docs/architecture.md, as a checker: who may import whom, and where the world comes in. */

/** What each room may import of ours; a file may be named where only its types are meant. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  api: [],
  core: ["api"],
  traffic: ["api", "core"],
  metrics: ["api", "core"],
  telemetry: [],
  kube: ["telemetry"],
  controllers: ["api", "core", "traffic", "metrics", "kube", "telemetry"],
  serving: ["api", "core", "kube", "telemetry"],
  install: ["api", "core", "kube", "telemetry"],
  cli: ["api", "core", "traffic", "metrics", "kube", "controllers", "serving", "telemetry"],
};
/** Shapes of Kubernetes' own objects, which the machine handles as everyone does. */
const TYPES_FOR_ALL = "src/api/kubernetes.ts";
/** Rooms that are told everything: no I/O, no time, no chance. The packages that each may use all the same. */
const PURE: Readonly<Record<string, readonly string[]>> = { api: ["zod"], core: ["saxes"], traffic: [] };
const CLOCK = "src/kube/clock.ts";
/** Who may use client-node's KubeConfig. The rest of that package stays out of src; docs/architecture.md says why. */
const TRANSPORT = ["src/kube/transport.ts", "src/kube/credentials.ts"];
/** A line of the log says when it was written; nothing is decided by it. */
const MAY_ASK_THE_DATE = [CLOCK, "src/telemetry/log.ts"];
const TIME_AND_CHANCE = ["Date.now", "performance.now", "Math.random", "setTimeout", "setInterval"];
const WORLD = ["fetch", "process", "console", "crypto", "setImmediate", "queueMicrotask", "AbortSignal.timeout"];

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

export interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
  readonly names: readonly string[];
}

/** What breaks the rules in one file, a sentence each.
 * @param path from the root of the repository, as `src/core/plan.ts` */
export function violationsOf(path: string, source: string): string[] {
  const nodes = [...walk(parseAst(source, { lang: "ts" }) as unknown as Node)];
  const line = (node: Node) => source.slice(0, node.start).split("\n").length;
  const imports = nodes.flatMap((node) => importsOf(node).map((i) => ({ ...i, line: line(node) })));
  const uses = nodes.flatMap((node) => usesOf(node).map((name) => ({ name, line: line(node) })));
  const problems = [
    ...imports.map((i) => ({ line: i.line, problem: importProblem(path, i) })),
    ...uses.map((use) => ({ line: use.line, problem: useProblem(path, use.name) })),
  ];
  return problems.flatMap(({ line: at, problem }) => (problem === undefined ? [] : [`${path}:${at} ${problem}`]));
}

function importProblem(path: string, wanted: Import): string | undefined {
  return wanted.from.startsWith(".") ? flowProblem(path, wanted) : packageProblem(path, wanted);
}

function flowProblem(path: string, { from, typeOnly }: Import): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(path), from));
  const [room, to] = [roomOf(path), roomOf(target)];
  if (!target.startsWith("src/")) return `imports ${target}, which does not ship`;
  if (room === undefined || room === to) return undefined; // main.ts and its neighbours wire all parts.
  if (to === undefined) return `imports ${target}: only what lies beside it may`;
  const allowed = MAY_IMPORT[room];
  if (allowed === undefined) return `lies in src/${room}, a room that docs/architecture.md does not know`;
  if (allowed.includes(to) || (target === TYPES_FOR_ALL && typeOnly)) return undefined;
  return `imports ${target}: src/${room} may import ${allowed.join(", ") || "nothing of ours"}`;
}

function packageProblem(path: string, { from, typeOnly, names }: Import): string | undefined {
  const room = roomOf(path) ?? "";
  const pure = PURE[room];
  if (pure !== undefined && !pure.includes(from)) return `imports ${from}: src/${room} is pure`;
  if (from.startsWith("node:timers")) return path === CLOCK ? undefined : `imports ${from}: time comes in by ${CLOCK}`;
  if (from !== "@kubernetes/client-node") return undefined;
  if (room !== "kube") return `imports ${from}: only ${TRANSPORT.join(" and ")} may`;
  if (typeOnly) return undefined;
  if (TRANSPORT.includes(path) && names.every((name) => name === "KubeConfig")) return undefined;
  return `imports ${names.join(", ")} of ${from}: only KubeConfig, and only in ${TRANSPORT.join(" and ")}`;
}

function useProblem(path: string, name: string): string | undefined {
  const room = roomOf(path) ?? "";
  if (name === "new Date()")
    return MAY_ASK_THE_DATE.includes(path) ? undefined : `asks the date; it comes in by ${CLOCK}`;
  if (TIME_AND_CHANCE.includes(name)) return path === CLOCK ? undefined : `uses ${name}: that comes in by ${CLOCK}`;
  return room in PURE && WORLD.includes(name) ? `uses ${name}: src/${room} is pure` : undefined;
}

/** The folder under src; undefined for a file that lies in src itself. */
function roomOf(path: string): string | undefined {
  const parts = path.split("/");
  return parts.length > 2 ? parts[1] : undefined;
}

/** Imports and re-exports, static or not. */
function importsOf(node: Node): Import[] {
  const source = node.source as Node | null | undefined;
  if (node.type === "ImportExpression")
    return [{ from: String(source?.value), typeOnly: false, names: ["everything"] }];
  if (source === null || source === undefined || !/^(Import|Export.*)Declaration$/.test(node.type)) return [];
  const specifiers = (node.specifiers ?? []) as Node[];
  const kinds = [node.importKind ?? node.exportKind, ...specifiers.map((s) => s.importKind ?? s.exportKind)];
  const allTypes = specifiers.length > 0 && kinds.slice(1).every((kind) => kind === "type");
  const names = specifiers.map((s) => String((s.imported as Node | undefined)?.name ?? s.type));
  return [{ from: String(source.value), typeOnly: kinds[0] === "type" || allTypes, names }];
}

/** Uses of what is global: `Date.now`, `new Date()`, `setTimeout`. */
function usesOf(node: Node): string[] {
  if (node.type === "NewExpression" && nameOf(node.callee) === "Date" && (node.arguments as unknown[]).length === 0)
    return ["new Date()"];
  if (node.type === "CallExpression") return nameOf(node.callee) === "Date" ? ["new Date()"] : [];
  if (node.type === "MemberExpression") return [`${nameOf(node.object)}.${propertyOf(node)}`];
  return node.type === "Identifier" && node.isGlobalUse === true ? [String(node.name)] : [];
}

function nameOf(node: unknown): string | undefined {
  const { type, name } = node as Node;
  return type === "Identifier" ? String(name) : undefined;
}

function propertyOf(node: Node): string {
  const property = node.property as Node;
  return String(node.computed === true ? property.value : property.name);
}

/** Keys under which an identifier is only a name: of a member, of a property, of a thing that is being declared. */
const NAME_ONLY: Readonly<Record<string, readonly string[]>> = {
  MemberExpression: ["property"],
  Property: ["key"],
  PropertyDefinition: ["key"],
  MethodDefinition: ["key"],
  TSPropertySignature: ["key"],
  TSMethodSignature: ["key"],
  TSQualifiedName: ["left", "right"],
  TSTypeReference: ["typeName"],
  ImportSpecifier: ["imported", "local"],
};

function* walk(node: Node, nameOnly = false): Generator<Node> {
  yield node.type === "Identifier" ? { ...node, isGlobalUse: !nameOnly } : node;
  for (const [key, value] of Object.entries(node)) {
    const names = NAME_ONLY[node.type]?.includes(key) === true && node.computed !== true;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === "object" && child !== null && "type" in child) yield* walk(child as Node, names);
    }
  }
}
