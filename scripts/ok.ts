import { fastStages, runCommand, runStages } from "./stages.ts";

/** `npm run ok`, before a commit: generates and formats, then the fast part of `npm test`. */
const preparations = [
  ["node", "scripts/generate.ts"],
  ["biome", "check", "--write", "--log-level=error", "."],
];
for (const command of preparations) {
  const code = await runCommand(command);
  if (code === "interrupted") process.exit(130);
}
process.exitCode = await runStages(fastStages);
