import { Command } from "commander";
import type { Deployment, JsonPatchOperation, KubeObject, PodTemplate } from "../../api/kubernetes.ts";
import { refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { sameJson } from "../../core/json.ts";
import { isKind } from "../../kube/errors.ts";
import { pathOf, resourceType } from "../../kube/resource.ts";
import { type Change, canaryAsked, withImages } from "../change.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { readRollout } from "../cluster/rollouts.ts";
import { CliError, EXIT } from "../errors.ts";
import { outcomeOf } from "../outcome.ts";
import type { Bind } from "../program.ts";
import { renderPlan } from "../render/plan.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { changeOptions, durationOption } from "./options.ts";
import { type PlanOptions, planOf, readSeen } from "./plan.ts";
import { untilSeen, waitFor } from "./status.ts";

const SEEN_IN_MS = 30_000;

interface Options extends PlanOptions {
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly timeout?: number;
}

export function deployCommand(bind: Bind): Command {
  const command = new Command("deploy")
    .argument("<rollout>", "its name")
    .description("Releases another image, another way up, or both: sets them where the Rollout has its pods from.");
  for (const option of changeOptions("release with")) command.addOption(option);
  return command
    .option("--dry-run", "ask the API server whether it would take the change, and show the plan; nothing is written")
    .option(
      "--wait",
      "then wait as kubectl zenith status does, with its exit codes; also where the spec says so already",
    )
    .addOption(durationOption("--timeout <duration>", "how long to wait at most (default: as long as it takes)"))
    .action(bind(async (session, [name], options) => await deploy(session, nameOf(name, ROLLOUT_KINDS), options)));
}

async function deploy(session: Session, name: string, options: Options): Promise<number> {
  const change: Change = { ...options, images: options.image ?? [] };
  const { cluster } = session;
  const rollout = await readRollout(cluster, name);
  const steps = stepsOf(rollout, change);
  const source = change.images.length === 0 ? undefined : await templateSource(cluster, rollout);
  const images = source === undefined ? undefined : imagesPatch(source, change.images);
  const dryRun = options.dryRun === true;
  if (steps === undefined && images === undefined) {
    tellNothing(session, name, change);
    // Whoever asks a second time, a job that is run again say, wants to know how it ends all the same.
    return options.wait === true && !dryRun ? await waitForEnd(session, name, options) : EXIT.ok;
  }
  if (steps !== undefined) await writeSteps(cluster, rollout, change, dryRun);
  if (dryRun) {
    if (source !== undefined && images !== undefined)
      await patch(cluster, source, "application/json-patch+json", images, dryRun);
    session.print(...renderPlan(planOf(await readSeen(session, name), options), session.style));
    session.note("Dry run: the API server would take this; nothing was written.");
    return EXIT.ok;
  }
  // A release begins with the steps that the operator knows by then.
  if (steps !== undefined) await untilSeen(session, name, SEEN_IN_MS);
  if (source !== undefined && images !== undefined)
    await patch(cluster, source, "application/json-patch+json", images, dryRun);
  return options.wait === true ? await waitForEnd(session, name, options) : await tellBegun(session, name);
}

/** @throws CliError where nothing was asked for */
function tellNothing(session: Session, name: string, { images, strategy, steps }: Change): void {
  if (images.length === 0 && strategy === undefined && steps === undefined)
    throw new CliError("Nothing to deploy", `say what: kubectl zenith deploy ${name} --image IMAGE, or --strategy`);
  session.print(`rollout.zenith.sh/${name}: it says so already; nothing was changed`);
}

async function waitForEnd(session: Session, name: string, { timeout }: Options): Promise<number> {
  return await waitFor(session, name, timeout === undefined ? {} : { timeout });
}

const TRIES = 5;

/** Writes the way up over what was read, and never over what came since: then it is read anew, as the operator's status may
 * come at any moment. */
async function writeSteps(cluster: Cluster, read: Rollout, change: Change, dryRun: boolean): Promise<void> {
  for (let [rollout, tries] = [read, 1]; ; tries++) {
    const steps = stepsOf(rollout, change);
    if (steps === undefined) return;
    try {
      return await patch(cluster, rollout, "application/merge-patch+json", steps, dryRun);
    } catch (error) {
      if (!isKind(error, "conflict") || tries === TRIES) throw error;
    }
    rollout = await readRollout(cluster, rollout.metadata.name);
  }
}

/** A merge patch of the Rollout; undefined where it says so already. */
function stepsOf(rollout: Rollout, change: Change): object | undefined {
  const before = rollout.spec.strategy?.canary;
  const after = canaryAsked(before, change);
  if (after === undefined || sameJson(before, after)) return undefined;
  const gone = Object.keys(before ?? {}).filter((key) => !(key in after));
  const canary = { ...after, ...Object.fromEntries(gone.map((key) => [key, null])) };
  return { metadata: { resourceVersion: rollout.metadata.resourceVersion }, spec: { strategy: { canary } } };
}

type Source = Rollout | Deployment;

/** Where the pods' template stands: the Deployment that is referred to, or the Rollout itself. */
async function templateSource(cluster: Cluster, rollout: Rollout): Promise<Source> {
  const { workloadRef } = rollout.spec;
  if (workloadRef === undefined) return rollout;
  const ref = { apiVersion: "apps/v1", kind: "Deployment", namespace: cluster.namespace, name: workloadRef.name };
  return await cluster.resources.get<Deployment>(ref);
}

/** Each image where it stood; refused by the API server where the containers are others by now. */
function imagesPatch(source: Source, images: readonly string[]): JsonPatchOperation[] | undefined {
  const template = source.spec.template as PodTemplate;
  const before = containersOf(template);
  const operations = containersOf(withImages(template, images)).flatMap(({ name, image }, i): JsonPatchOperation[] => {
    if (image === before[i]?.image) return [];
    const path = `/spec/template/spec/containers/${i}`;
    return [
      { op: "test", path: `${path}/name`, value: name },
      { op: "add", path: `${path}/image`, value: image },
    ];
  });
  return operations.length === 0 ? undefined : operations;
}

function containersOf({ spec }: PodTemplate): readonly { readonly name: string; readonly image?: string }[] {
  return (spec.containers ?? []) as readonly { name: string; image?: string }[];
}

async function patch(
  cluster: Cluster,
  object: KubeObject,
  contentType: string,
  body: unknown,
  dryRun: boolean,
): Promise<void> {
  const { kind, namespace, name } = refOf(object);
  const path = pathOf(resourceType(object.apiVersion, kind), namespace, name);
  const query = { fieldManager: "kubectl-zenith", ...(dryRun ? { dryRun: "All" } : {}) };
  await cluster.client.request({ method: "PATCH", path, query, body, contentType });
}

async function tellBegun(session: Session, name: string): Promise<number> {
  const rollout = await untilSeen(session, name, SEEN_IN_MS);
  const outcome = outcomeOf(rollout, undefined, { until: "promoted", throughPauses: true });
  const { wanted } = rollout.status ?? {};
  const images = wanted?.images.join(" ") ?? "";
  session.print(`rollout.zenith.sh/${name}: revision ${wanted?.revision} (${images}) is wanted; ${outcome.message}`);
  session.note(`Follow it with kubectl zenith status ${name}, or kubectl zenith get ${name} --watch`);
  return outcome.kind === "reverted" || outcome.kind === "failed" ? EXIT.reverted : EXIT.ok;
}
