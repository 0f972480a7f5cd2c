import type { PodTemplate } from "../api/kubernetes.ts";
import type { Rollout, RolloutSpec, RolloutStep } from "../api/rollout.ts";
import { parseDurationMs, parseWeightBp, UnitError } from "../api/units.ts";
import type { Snapshot } from "../core/rollout/snapshot.ts";
import { CliError } from "./errors.ts";

/** What `deploy` changes, and what `plan` tries on paper: images, and the way to 100 %. */
export interface Change {
  /** `container=image`, or an image alone where there is one container. */
  readonly images: readonly string[];
  readonly strategy?: string;
  readonly over?: string;
  readonly steps?: string;
}

type Canary = NonNullable<NonNullable<RolloutSpec["strategy"]>["canary"]>;
const STRATEGIES = ["safe", "fast", "instant", "custom"] as const;

/** A pod template with other images.
 * @throws CliError that names the containers, where none or more than one could be meant */
export function withImages(template: PodTemplate, images: readonly string[]): PodTemplate {
  const containers = (template.spec.containers ?? []) as readonly { name: string; image?: string }[];
  const wanted = new Map(
    images.map((text) =>
      imageAsked(
        text,
        containers.map(({ name }) => name),
      ),
    ),
  );
  const changed = containers.map((container) => {
    const image = wanted.get(container.name);
    return image === undefined ? container : { ...container, image };
  });
  return { ...template, spec: { ...template.spec, containers: changed } };
}

function imageAsked(text: string, containers: readonly string[]): [container: string, image: string] {
  const match = /^([a-z0-9][-a-z0-9]*)=(\S+)$/.exec(text);
  const [only, ...more] = containers;
  if (match === null) {
    if (text === "" || /\s|=/.test(text))
      throw new CliError(`"${text}" is no image`, "write IMAGE, or CONTAINER=IMAGE");
    if (only !== undefined && more.length === 0) return [only, text];
    throw new CliError(`There are ${containers.length} containers: ${containers.join(", ")}`, "write CONTAINER=IMAGE");
  }
  const [, container = "", image = ""] = match;
  if (containers.includes(container)) return [container, image];
  throw new CliError(`There is no container "${container}"`, `there is ${containers.join(", ")}`);
}

/** What spec.strategy.canary becomes; undefined where nothing of it was asked for.
 * @throws CliError with what is accepted */
export function canaryAsked(before: Canary | undefined, { strategy, over, steps }: Change): Canary | undefined {
  if (strategy !== undefined && !(STRATEGIES as readonly string[]).includes(strategy))
    throw new CliError(`--strategy must be one of ${STRATEGIES.join(", ")} (got "${strategy}")`);
  if (steps !== undefined && strategy !== undefined && strategy !== "custom")
    throw new CliError(`--steps belongs to --strategy custom, not ${strategy}`, "leave one of both out");
  if (over !== undefined && strategy !== "safe" && strategy !== "fast")
    throw new CliError("--over belongs to --strategy safe or fast", "name one of them, or write --steps");
  if (strategy === undefined && steps === undefined) return undefined;
  const { preset: _preset, over: _over, steps: present, ...kept } = before ?? {};
  if (strategy !== undefined && strategy !== "custom") {
    const preset = strategy as "safe" | "fast" | "instant";
    return { ...kept, preset, ...(over === undefined ? {} : { over: checked(over) }) };
  }
  if (steps !== undefined) return { ...kept, steps: steps.split(",").map(stepAsked) };
  if (present !== undefined) return { ...kept, steps: present };
  throw new CliError(
    "--strategy custom takes the steps that the Rollout has, and it has none",
    "write them: --steps 5%,10m,25%,analysis:5m,50%,approval",
  );
}

/** `5%` or `5` a weight, `10m` a pause, `approval` one for a person, `analysis` or `analysis:5m`. */
function stepAsked(given: string): RolloutStep {
  const text = given.trim();
  if (text === "approval") return { pause: {} };
  if (text === "analysis") return { analysis: {} };
  if (text.startsWith("analysis:")) return { analysis: { for: checked(text.slice("analysis:".length)) } };
  if (/^[0-9.]+%?$/.test(text)) {
    const weight = text.endsWith("%") ? text : Number(text);
    return said(`--steps "${text}"`, () => parseWeightBp(weight)) >= 0 ? { weight } : {};
  }
  if (/^[0-9]+[smhd]$/.test(text)) return { pause: { for: checked(text) } };
  throw new CliError(`"${text}" is no step`, "write 5% (a weight), 10m (a pause), approval, or analysis:5m");
}

function checked(text: string): string {
  said(`"${text}"`, () => parseDurationMs(text));
  return text;
}

function said<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UnitError) throw new CliError(`${what} ${error.message}`);
    throw error;
  }
}

/** The snapshot as it would be after the change; nothing is written.
 * @param next where nothing else would be new, a release of the same images is tried all the same */
export function changed(snapshot: Snapshot, change: Change, next = false): Snapshot {
  const template = (before: PodTemplate): PodTemplate => {
    const after = withImages(before, change.images);
    return next ? marked(after) : after;
  };
  const { deployment } = snapshot;
  const rollout = withCanary(snapshot.rollout, canaryAsked(snapshot.rollout.spec.strategy?.canary, change));
  if (rollout.spec.workloadRef === undefined) {
    const { template: before } = rollout.spec;
    if (before === undefined) return { ...snapshot, rollout };
    const spec = {
      ...rollout.spec,
      template: template(before as PodTemplate) as RolloutSpec["template"],
    } as RolloutSpec;
    return { ...snapshot, rollout: { ...rollout, spec } };
  }
  if (deployment === undefined) return { ...snapshot, rollout };
  const spec = { ...deployment.spec, template: template(deployment.spec.template) };
  return { ...snapshot, rollout, deployment: { ...deployment, spec } };
}

export function withCanary(rollout: Rollout, canary: Canary | undefined): Rollout {
  if (canary === undefined) return rollout;
  return { ...rollout, spec: { ...rollout.spec, strategy: { ...rollout.spec.strategy, canary } } };
}

function marked({ metadata, spec }: PodTemplate): PodTemplate {
  return { spec, metadata: { ...metadata, annotations: { ...metadata?.annotations, "zenith.sh/plan": "next" } } };
}
