import { checkStages, fastStages, runStages, slowStages } from "./stages.ts";

/** `npm test`: everything that CI runs. */
process.exitCode = await runStages([...checkStages, ...fastStages, ...slowStages]);
