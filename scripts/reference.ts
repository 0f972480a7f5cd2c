import type { z } from "zod";
import { type Field, fieldsOf } from "../src/api/crd.ts";

/** A reference page: a table for each top-level field of a spec, from its schema alone. */
export function referenceOf(kind: string, introduction: string, spec: z.ZodType): string {
  const [whole, ...fields] = fieldsOf(spec) as [Field, ...Field[]];
  const sections = Map.groupBy(fields, ({ path }) => path.split(/[.[]/)[0] ?? "");
  const single = [...sections.values()].filter((section) => section.length === 1).flat();
  const many = [...sections].filter(([, section]) => section.length > 1);
  const parts = many.map(([name, [head, ...below]]) => section(name, head as Field, below));
  return [`# ${kind}`, introduction, list(whole.bounds), ...parts, "## Other fields", table(single), ""].join("\n\n");
}

function section(name: string, head: Field, below: readonly Field[]): string {
  const required = head.required ? " Required." : "";
  const said = head.default === "" ? "" : ` Default: ${head.default}.`;
  return [`## ${name}`, `${head.description}${required}${said}`, list(head.bounds), table(below)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${escaped(item)}`).join("\n");
}

function table(fields: readonly Field[]): string {
  const rows = fields.map((field) => {
    const name = `\`${field.path}\`${field.required ? " *" : ""}`;
    return `| ${[name, field.type, field.default, field.description, boundsOf(field)].map(cell).join(" | ")} |`;
  });
  return ["| Field | Type | Default | Meaning | Bounds |", "|---|---|---|---|---|", ...rows].join("\n");
}

/** What the page says of every duration is not said again of each. */
function boundsOf({ type, bounds }: Field): string {
  const own = type === "duration" ? bounds.filter((bound) => !/^(one integer|at most 365d)/.test(bound)) : bounds;
  return own.join("\n");
}

function cell(text: string): string {
  return escaped(text).replaceAll("|", "\\|").replaceAll("\n", "<br>");
}

function escaped(text: string): string {
  return text.replaceAll("<", "&lt;").replaceAll("{{", "\\{\\{");
}
