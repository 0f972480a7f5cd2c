import { type Document, isMap, isScalar, type Pair, parseDocument, type Scalar, type YAMLMap } from "yaml";

/** What of the chart comes from elsewhere: its definitions from crds/, its README from the comments of values.yaml. */

const KEEP =
  "  annotations:\n    helm.sh/resource-policy: keep # Without its definition every Rollout would be gone.\n";

/** A definition as the chart ships it: text, as descriptions hold braces that a template would read. It stays on uninstall. */
export function chartCrd(text: string): string {
  const kept = text.replace(/^metadata:\n/m, `metadata:\n${KEEP}`);
  if (kept === text) throw new Error("A definition has no metadata to say in that it is kept");
  return kept;
}

export interface Setting {
  /** "operator.serviceAccount.create" */
  readonly key: string;
  readonly value: string;
  readonly about: string;
}

/** Each key of values.yaml that has a comment; a key without one has keys below it.
 * @throws Error where neither is so */
export function settingsOf(values: string): Setting[] {
  const document: Document = parseDocument(values);
  if (document.errors.length > 0) throw document.errors[0];
  return below(document.contents as YAMLMap, []);
}

function below(map: YAMLMap, path: readonly string[]): Setting[] {
  return (map.items as Pair<Scalar<string>, unknown>[]).flatMap(({ key, value }, i) => {
    // The first key's comment is the map's own, to a parser.
    const comment = key.commentBefore ?? (i === 0 ? map.commentBefore : undefined);
    const at = [...path, key.value];
    if (typeof comment === "string")
      return [{ key: at.join("."), value: textOf(value), about: comment.replace(/^ /gm, "").replaceAll("\n", " ") }];
    if (isMap(value)) return below(value, at);
    throw new Error(`${at.join(".")} in values.yaml has no comment that says what it is`);
  });
}

function textOf(value: unknown): string {
  if (isScalar(value)) return JSON.stringify(value.value);
  return JSON.stringify((value as YAMLMap).toJSON());
}

/** The chart's README: the given head, and a row for each setting. */
export function chartReadme(head: string, values: string): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = settingsOf(values).map(
    ({ key, value, about }) => `| \`${key}\` | ${cell(about)} | \`${cell(value)}\` |`,
  );
  return `${head}\n| Setting | What it is | Default |\n|---|---|---|\n${rows.join("\n")}\n`;
}
