import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/kube/clock.ts";
import { readWhole, writeWhole } from "../../src/serving/files.ts";
import { Snapshot } from "../../src/serving/snapshot.ts";
import { FlagStore } from "../../src/serving/store.ts";
import { aFlag, aQuarter, forPros } from "./flags.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zenith-snapshot-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function aSnapshot(store = new FlagStore()) {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  return { store, lines, snapshot: new Snapshot({ folder, store, clock: systemClock, log }) };
}

const told = (store: FlagStore) => new Promise<void>((resolve) => store.subscribe(() => resolve()));

describe("Snapshot", () => {
  test("gives back what was served, word for word", async () => {
    const { store, snapshot } = aSnapshot();
    store.put(aFlag("a", { definition: { targeting: forPros } }));
    store.put(
      aFlag("b", { flagSet: "shop/web", visibility: "server", byClock: true, definition: { targeting: aQuarter } }),
    );
    await told(store); // Or it would be written once more when the folder is gone.
    snapshot.keep();
    await snapshot.flushed();
    const next = aSnapshot();
    expect(await next.snapshot.load()).toBe(2);
    for (const [set, key] of [
      ["shop", "a"],
      ["shop/web", "b"],
    ] as const) {
      const [was, is] = [store.find(set, key), next.store.find(set, key)];
      expect([is?.json, is?.version, is?.isClientVisible, is?.isByClock]).toEqual([
        was?.json,
        was?.version,
        was?.isClientVisible,
        was?.isByClock,
      ]);
    }
    expect(next.store.flagSet("shop").etag("client")).toBe(store.flagSet("shop").etag("client"));
  });

  test("keeps changes as they come", async () => {
    const { store, snapshot } = aSnapshot();
    snapshot.keep();
    await snapshot.flushed();
    store.put(aFlag("a"), true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await snapshot.flushed();
    expect(await aSnapshot().snapshot.load()).toBe(1);
  });

  test("of nothing is nothing kept", async () => {
    expect(await aSnapshot().snapshot.load()).toBe(undefined);
  });

  test("that cannot be written is said once, and nothing else suffers", async () => {
    const { store, snapshot, lines } = aSnapshot();
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "a file where a folder should be");
    snapshot.keep();
    for (let i = 0; i < 3; i++) {
      store.put(aFlag("a", { version: `v${i}` }), true);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await snapshot.flushed();
    expect(lines.filter((line) => line.includes("cannot be written"))).toHaveLength(1);
  });
});

describe("a file that is written whole", () => {
  test("is the old one or the new one, and no scraps are left", async () => {
    const path = join(folder, "deep", "file");
    await writeWhole(path, "one\ntwo");
    await writeWhole(path, "three");
    expect(await readWhole(path)).toBe("three");
    expect(readdirSync(join(folder, "deep"))).toEqual(["file"]);
  });

  test.each([
    ["cut short", (text: string) => text.slice(0, -1)],
    ["changed", (text: string) => text.replace("one", "two")],
    ["empty", () => ""],
  ])("is not taken where it is %s", async (_, damage) => {
    const path = join(folder, "file");
    await writeWhole(path, "one\ntwo\n");
    writeFileSync(path, damage(readFileSync(path, "utf8")));
    await expect(readWhole(path)).rejects.toThrow("is damaged");
  });
});
