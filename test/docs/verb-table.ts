import { readFileSync } from "node:fs";

export interface Cell {
  readonly verb: string;
  readonly phase: string;
  readonly answer: string;
}

/** A table of docs/verbs.md: how each verb is answered in each phase.
 * @param kind whose table */
export function verbTable(kind: "Rollout" | "FeatureFlag"): { verbs: string[]; phases: string[]; cells: Cell[] } {
  const [ofRollouts = "", ofFlags = ""] = readFileSync("docs/verbs.md", "utf8").split("## Of a FeatureFlag");
  const rows = (kind === "Rollout" ? ofRollouts : ofFlags)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  const [head = [], , ...body] = rows;
  const cells = body.flatMap(([verb = "", ...answers]) =>
    answers.map((answer, i) => ({ verb, phase: head[i + 1] ?? "", answer })),
  );
  return { verbs: body.map(([verb = ""]) => verb), phases: head.slice(1), cells };
}
