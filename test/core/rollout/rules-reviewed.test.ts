import { describe, expect, test } from "vitest";
import { servesAlone } from "./expectations.ts";
import { atRest } from "./play.ts";

/** What a review suspected, and could show. */

describe("a ReplicaSet whose status is behind its size", () => {
  test("is not what a rollback leads the Service to at once: its pods are going", () => {
    const play = atRest();
    play.deploy("v2");
    play.until("Baking").run(({ manners, sizes }) => {
      manners.sets = "stand";
      return sizes.v1 === 0;
    });
    play.manners.ready.set("v1", 0); // New pods take their time.
    play.request("rollback");
    play.until("Reverted", "RolledBack").forMs(5_000);
    expect(play.traffic).toEqual({ v2: 1 });
    play.manners.sets = "follow";
    play.ready("v1");
    play.settles();
    servesAlone(play, "v1");
  });
});
