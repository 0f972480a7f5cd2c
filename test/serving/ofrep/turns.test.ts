import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { FakeClock } from "../../../src/kube/clock.ts";
import { Turns } from "../../../src/serving/ofrep/turns.ts";

class Response extends EventEmitter {
  closed = false;

  close(): void {
    this.closed = true;
    this.emit("close");
  }
}

function lab(most: number) {
  const clock = new FakeClock();
  const turns = new Turns(most, clock);
  const order: number[] = [];
  const ask = (i: number): Response => {
    const response = new Response();
    void turns.take(response).then(() => order.push(i));
    return response;
  };
  return { clock, order, ask };
}

/** Resolves once the event loop has turned a few times. */
async function soon(): Promise<void> {
  for (let i = 0; i < 5; i++) await turned();
}

function turned(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("so many at once, the others in the order in which they came", async () => {
  const { order, ask } = lab(2);
  const responses = [0, 1, 2, 3, 4].map(ask);
  await soon();
  expect(order).toEqual([0, 1]);
  responses[1]?.close();
  await soon();
  expect(order).toEqual([0, 1, 2]);
  responses[0]?.close();
  responses[0]?.close(); // A turn ends once.
  await soon();
  expect(order).toEqual([0, 1, 2, 3]);
});

test("who has gone while he waited keeps nobody waiting", async () => {
  const { order, ask } = lab(1);
  const [first, gone] = [ask(0), ask(1), ask(2)];
  gone?.close();
  first?.close();
  await soon();
  expect(order).toEqual([0, 1, 2]);
});

test("a slow reader keeps the others waiting for a second, and no longer", async () => {
  const { clock, order, ask } = lab(1);
  ask(0);
  ask(1);
  await clock.advance(990);
  await soon();
  expect(order).toEqual([0]);
  await clock.advance(20);
  await soon();
  expect(order).toEqual([0, 1]);
});

test("one in each turn of the event loop, so that what comes in between two answers is read", async () => {
  const { order, ask } = lab(64);
  for (let i = 0; i < 3; i++) ask(i);
  const seen = [];
  for (let i = 0; i < 3; i++) {
    await Promise.resolve();
    await Promise.resolve();
    seen.push(order.length);
    await turned();
  }
  expect(seen).toEqual([1, 2, 3]);
});
