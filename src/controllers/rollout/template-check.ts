import type { PodTemplate, ReplicaSet } from "../../api/kubernetes.ts";
import { sameTemplate } from "../../core/rollout/names.ts";
import { isKind } from "../../kube/errors.ts";
import type { Resources } from "../../kube/resource.ts";
import type { Key } from "../key.ts";

/** A quota or a webhook may take later what it refused. */
const AGAIN_AFTER_MS = 55_000;
const LONGEST = 512;

interface Answer {
  readonly template: PodTemplate;
  /** Undefined where the API server would take it. */
  readonly problem: string | undefined;
  readonly atMs: number;
}

/**
 * Asks the API server about a new template before anything is made for it: a dry run of the very ReplicaSet, with unknown
 * fields refused. The CRD cannot say it all: `template.spec` is checked by those who know pods, and what a quota or a policy
 * says of our ReplicaSet nobody knows who only saw the Deployment's.
 */
export class TemplateCheck {
  readonly #resources: Resources;
  readonly #nowMs: () => number;
  readonly #answers = new Map<Key, Answer>();

  constructor(resources: Resources, nowMs: () => number) {
    this.#resources = resources;
    this.#nowMs = nowMs;
  }

  /** What is wrong with the template that is wanted now, as far as it was asked about. */
  problem(key: Key, template: PodTemplate | undefined): string | undefined {
    const answer = this.#answers.get(key);
    if (answer?.problem === undefined || template === undefined) return undefined;
    if (this.#isOld(answer)) return undefined;
    return sameTemplate(answer.template, template) ? answer.problem : undefined;
  }

  /** Asks, once, about what a plan says would be made of a template that nothing is known of.
   * @returns true where it is refused, so that the plan must be made anew
   * @throws ApiError where the API server gave no verdict */
  async refuses(key: Key, template: PodTemplate | undefined, unproven: ReplicaSet | undefined): Promise<boolean> {
    if (unproven === undefined || template === undefined || this.#isKnown(key, template)) return false;
    const problem = await this.#ask(unproven);
    this.#answers.set(key, { template, problem, atMs: this.#nowMs() });
    return problem !== undefined;
  }

  #isKnown(key: Key, template: PodTemplate): boolean {
    const answer = this.#answers.get(key);
    if (answer === undefined || !sameTemplate(answer.template, template)) return false;
    return answer.problem === undefined || !this.#isOld(answer);
  }

  #isOld({ atMs }: Answer): boolean {
    return this.#nowMs() - atMs > AGAIN_AFTER_MS;
  }

  forget(key: Key): void {
    this.#answers.delete(key);
  }

  async #ask(replicaSet: ReplicaSet): Promise<string | undefined> {
    try {
      await this.#resources.create(replicaSet, { dryRun: true, strict: true });
      return undefined;
    } catch (error) {
      if (isKind(error, "exists")) return undefined;
      if (isKind(error, "invalid", "forbidden")) return spoken(error.message);
      throw error;
    }
  }
}

/** Paths in a ReplicaSet are those in a Rollout: what stands before them is taken away. */
function spoken(message: string): string {
  const said = message
    .replace(/^Cannot .*? ReplicaSet.*? is invalid: /s, "")
    .replace(/^.*strict decoding error: /s, "")
    .replace(/[\p{Cc}\p{Bidi_Control}]+/gu, " ")
    .trim();
  return said.length > LONGEST ? `${said.slice(0, LONGEST)}…` : said;
}
