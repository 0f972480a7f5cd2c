import { describe, expect, test } from "vitest";
import { type DeliveryPage, type Fetchers, type FlagDelivery, sumDelivery } from "../../../src/core/flags/delivery.ts";

/** A server with streams: two that all is sent to, and those who fetch. */
function page(fetchers: Partial<Fetchers>, of: Partial<FlagDelivery> = {}): DeliveryPage {
  const { waiting = [], overdue = [], elsewhere = [] } = fetchers;
  const clients = 2 + waiting.length + overdue.length;
  const flag = { version: "v2", clients, acked: 2, fetchers: "7 client", evaluations: {}, ...of };
  return {
    server: "pod",
    flagSets: { shop: { checkout: flag } },
    fetchers: { "7 client": { waiting, overdue, elsewhere } },
  };
}

describe("sumDelivery() of two servers", () => {
  test.each<[string, DeliveryPage, DeliveryPage, object]>([
    ["everyone has it", page({}), page({}), { servers: 2, clients: 4, acked: 4, overdue: 0 }],
    [
      "who was told by one and fetched from the other has it",
      page({ waiting: ["ann"] }),
      page({ elsewhere: ["ann"] }),
      { clients: 5, acked: 5 },
    ],
    [
      "crosswise, too",
      page({ waiting: ["ann"], elsewhere: ["ben"] }),
      page({ waiting: ["ben"], elsewhere: ["ann"] }),
      { clients: 6, acked: 6 },
    ],
    [
      "someone who has gone stands for nobody",
      page({ waiting: ["ann"] }),
      page({ elsewhere: ["gone"] }),
      { clients: 5, acked: 4 },
    ],
    [
      "a server of another version gives it to nobody",
      page({ waiting: ["ann"] }),
      page({ elsewhere: ["ann"] }, { version: "v1" }),
      { servers: 1, clients: 5, acked: 2 },
    ],
    [
      "who was given up by one has it all the same",
      page({ overdue: ["ann", "ben"] }),
      page({ elsewhere: ["ann"] }),
      { clients: 6, acked: 5, overdue: 1 },
    ],
    [
      "a server that names nobody is taken by its counts",
      page({ waiting: ["ann"] }, { fetchers: "none" }),
      page({ elsewhere: ["ann"] }),
      { clients: 5, acked: 4 },
    ],
  ])("%s", (_, one, other, wanted) => {
    const flag = { flagSet: "shop", key: "checkout", version: "v2" };
    expect(sumDelivery([one, other], flag)).toMatchObject(wanted);
  });
});
