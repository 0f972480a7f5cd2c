import { fastStages, runStages, tidyStages } from "./stages.ts";

/** `npm run ok`, before a commit: generates and formats, then what needs no cluster; within a minute. */
process.exitCode = await runStages([...tidyStages, ...fastStages]);
