import type { Metric, Registry } from "prom-client";

/**
 * Counters, gauges and histograms for what is counted in each pass and each request. Those of prom-client make a string of all labels and
 * check their names at every call, and a pass makes eight: 3 % of the time of its plan. Here a series is found by one look-up for each
 * label; the checks are the types', and prom-client writes the text when somebody asks.
 */

interface Options<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  readonly registers: readonly Registry[];
}
type Labels<Label extends string> = Readonly<Record<Label, string>>;

/** As `Registry` reads a metric. */
interface Exposed {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: "sum";
  readonly values: readonly { readonly metricName?: string; readonly labels: Labels<string>; readonly value: number }[];
}

type Branch<Series> = Map<string, Branch<Series> | Series>;

/** One series for each set of label values: a tree with a level for each label. */
abstract class Family<Label extends string, Series> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  readonly #lastLabel: number;
  readonly #root: Branch<Series> = new Map();
  readonly #all: { readonly labels: Labels<Label>; readonly series: Series }[] = [];

  constructor({ name, help, labelNames, registers }: Options<Label>) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.#lastLabel = labelNames.length - 1;
    for (const registry of registers) registry.registerMetric(this as unknown as Metric);
  }

  abstract get(): Promise<Exposed>;
  protected abstract begin(): Series;

  protected all(): readonly { readonly labels: Labels<Label>; readonly series: Series }[] {
    return this.#all;
  }

  protected at(labels: Labels<Label>): Series {
    let branch = this.#root;
    for (let i = 0; i < this.#lastLabel; i++) {
      const value = labels[this.labelNames[i] as Label];
      branch = (branch.get(value) as Branch<Series> | undefined) ?? fork(branch, value);
    }
    const value = labels[this.labelNames[this.#lastLabel] as Label];
    return (branch.get(value) as Series | undefined) ?? this.#grow(branch, value, labels);
  }

  #grow(branch: Branch<Series>, value: string, labels: Labels<Label>): Series {
    const series = this.begin();
    branch.set(value, series);
    this.#all.push({ labels: { ...labels }, series });
    return series;
  }
}

function fork<Series>(branch: Branch<Series>, value: string): Branch<Series> {
  const next: Branch<Series> = new Map();
  branch.set(value, next);
  return next;
}

interface Cell {
  value: number;
}

abstract class Single<Label extends string> extends Family<Label, Cell> {
  abstract readonly type: "counter" | "gauge";

  protected begin(): Cell {
    return { value: 0 };
  }

  inc(labels: Labels<Label>, by = 1): void {
    this.at(labels).value += by;
  }

  async get(): Promise<Exposed> {
    const { name, help, type } = this;
    const values = this.all().map(({ labels, series }) => ({ labels, value: series.value }));
    return { name, help, type, aggregator: "sum", values };
  }
}

/** What only grows. */
export class Counter<Label extends string> extends Single<Label> {
  readonly type = "counter";
}

/** What goes up and down. */
export class Gauge<Label extends string> extends Single<Label> {
  readonly type = "gauge";

  dec(labels: Labels<Label>): void {
    this.at(labels).value -= 1;
  }

  set(labels: Labels<Label>, value: number): void {
    this.at(labels).value = value;
  }
}

interface Buckets {
  /** Of each bucket by itself; the last one has what is beyond all limits. */
  readonly counts: number[];
  sum: number;
}

/** How long things take: `buckets` are the upper limits, in rising order. */
export class Histogram<Label extends string> extends Family<Label, Buckets> {
  readonly type = "histogram";
  readonly #limits: readonly number[];

  constructor({ buckets, ...options }: Options<Label> & { readonly buckets: readonly number[] }) {
    super(options);
    this.#limits = buckets;
  }

  protected begin(): Buckets {
    return { counts: new Array(this.#limits.length + 1).fill(0), sum: 0 };
  }

  observe(labels: Labels<Label>, value: number): void {
    const series = this.at(labels);
    let i = 0;
    while (i < this.#limits.length && value > (this.#limits[i] as number)) i++;
    (series.counts[i] as number)++;
    series.sum += value;
  }

  async get(): Promise<Exposed> {
    const { name, help, type } = this;
    const values = this.all().flatMap(({ labels, series }) => this.#expose(labels, series));
    return { name, help, type, aggregator: "sum", values };
  }

  #expose(labels: Labels<Label>, { counts, sum }: Buckets) {
    let count = 0;
    const buckets = counts.map((own, i) => {
      const le = i < this.#limits.length ? String(this.#limits[i]) : "+Inf";
      count += own;
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
