import { expect, test } from "vitest";
import { type Cluster, KINDS } from "../../src/cli/cluster/cluster.ts";
import { Watch } from "../../src/cli/cluster/watch.ts";
import { refusal, saysNothing, startScriptedServer } from "../kube/scripted-server.ts";

test("Watch ends in a sentence where its person may not watch, instead of waiting for ever", async () => {
  const server = await startScriptedServer();
  const stop = new AbortController();
  try {
    server.play(refusal(403, "Forbidden"));
    const watch = new Watch({ client: server.client() } as Cluster, stop.signal, () => undefined);
    watch.store(KINDS.rollouts, { namespace: "shop" });
    await expect(watch.next(100)).rejects.toMatchObject({ message: "Forbidden!", hint: "ask for the right to watch" });
  } finally {
    stop.abort();
    await server.stop();
  }
});

test("Watch waits no longer than it may for a server that went away after the first look", async () => {
  const server = await startScriptedServer();
  const stop = new AbortController();
  try {
    server.play(saysNothing);
    const watch = new Watch({ client: server.client() } as Cluster, stop.signal, () => undefined);
    watch.store(KINDS.rollouts, { namespace: "shop" });
    expect(await watch.next(100)).toBe(true);
    expect(watch.hasSynced()).toBe(false);
  } finally {
    stop.abort();
    await server.stop();
  }
});
