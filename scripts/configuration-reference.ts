import { operatorRole } from "../src/config.ts";
import { flagsRole } from "../src/flags-config.ts";
import { settingsOf } from "../src/settings.ts";

const HEAD = `# Configuration

<!-- Generated from src/config.ts and src/flags-config.ts by npm run generate; do not edit. -->

A setting is given as a flag, by the same name in the environment, or by the same name in the YAML file of \`--config\`, in that order of
precedence. One that is not known, or has a value that is not accepted, ends the start with the setting, the value, where it stood and what
is accepted. The chart sets them from its [values](../../charts/zenith/README.md).`;

type SomeRole = Pick<typeof operatorRole, "name" | "description"> & {
  readonly schema: Parameters<typeof settingsOf>[0];
};

/** docs/reference/configuration.md, from the schemas by which the programs read their settings. */
export function configurationReference(): string {
  return `${[HEAD, ...[operatorRole, flagsRole].map(roleSaid)].join("\n\n")}\n`;
}

function roleSaid({ name, description, schema }: SomeRole): string {
  const rows = settingsOf(schema).map(({ key, variable, fallback, description }) => {
    const otherwise = fallback === "" ? "" : `\`${fallback}\``;
    return `| \`--${key}\` | \`${variable}\` | ${otherwise} | ${description.replaceAll("|", "\\|")} |`;
  });
  const table = ["| Setting | In the environment | Default | Meaning |", "|---|---|---|---|", ...rows].join("\n");
  return `## zenith ${name}\n\n${description}\n\n${table}`;
}
