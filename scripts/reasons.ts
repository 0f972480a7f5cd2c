import { EVENTS_ALONE, REASONS } from "../src/api/reasons.ts";

const HEAD = `<!-- Generated from src/api/reasons.ts by npm run generate; do not edit. -->

# Reasons

Why a Rollout is where it is: \`reason\` of its conditions, and of its Events. \`status.message\` says it for your case, with names and numbers;
\`kubectl zenith why web\` says both in a paragraph.

    kubectl get zr web -o jsonpath='{.status.conditions[?(@.type=="Ready")].reason}: {.status.message}'

A test reads these tables: every reason that the operator can give is here, and none that it cannot.`;

/** The page of reasons. */
export function reasonsReference(): string {
  const groups = REASONS.map(({ title, introduction, reasons }) =>
    [`## ${title}`, introduction, table(["Reason", "Phase", "What it means", "What to do"], reasons)]
      .filter((part) => part !== "")
      .join("\n\n"),
  );
  const events = table(["Reason", "Type", "What it means"], EVENTS_ALONE);
  return `${[HEAD, ...groups, "## Events alone", events].join("\n\n")}\n`;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = rows.map(([reason = "", ...cells]) => `| ${[`\`${reason}\``, ...cells].join(" | ")} |`);
  return [`| ${heads.join(" | ")} |`, `|${heads.map(() => "---").join("|")}|`, ...lines].join("\n");
}
