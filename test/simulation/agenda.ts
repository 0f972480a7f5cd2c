/** What is to happen, by virtual time: the only clock of a simulation. */
export class Agenda {
  readonly #heap: Task[] = [];
  #now = EPOCH_MS;
  #order = 0;

  /** Milliseconds since 1970: what the API server's clock says. */
  get nowMs(): number {
    return this.#now;
  }

  /** Seconds since the beginning, for stories. */
  get seconds(): number {
    return (this.#now - EPOCH_MS) / 1_000;
  }

  /** Does something after a while; of two at the same moment, the one that was told first goes first. */
  after(delayMs: number, run: () => void): void {
    push(this.#heap, { atMs: this.#now + Math.max(0, delayMs), order: this.#order++, run });
  }

  /** Does what comes next. False where nothing does, or nothing before `untilMs`. */
  step(untilMs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.atMs > untilMs) return false;
    pop(this.#heap);
    this.#now = Math.max(this.#now, next.atMs);
    next.run();
    return true;
  }
}

const EPOCH_MS = Date.parse("2026-01-01T00:00:00Z");

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

function before(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Task[], task: Task): void {
  let at = heap.push(task) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(task, heap[parent] as Task)) break;
    heap[at] = heap[parent] as Task;
    at = parent;
  }
  heap[at] = task;
}

function pop(heap: Task[]): void {
  const last = heap.pop() as Task;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Task, heap[child] as Task)) child++;
    if (!before(heap[child] as Task, last)) break;
    heap[at] = heap[child] as Task;
    at = child;
  }
  heap[at] = last;
}
