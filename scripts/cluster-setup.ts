import { ensureBinaries } from "../test/cluster/binaries.ts";

/** Builds the control plane once, with progress, before the first test that needs it: two workers would wait for one build
 * in their hooks, where nothing shows how far it is. */
export default async function setup(): Promise<void> {
  await ensureBinaries();
}
