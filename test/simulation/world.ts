import type { KubeObject } from "../../src/api/kubernetes.ts";
import { ANNOTATION_REQUEST, formatRequest } from "../../src/api/request.ts";
import { Agenda } from "./agenda.ts";
import { ApiServer } from "./cluster/api-server.ts";
import { type Rng, rngOf } from "./rng.ts";
import { Story } from "./story.ts";

/** Something that a person can ask something of. */
interface Asked extends KubeObject {
  readonly status?: { readonly lastRequest?: { readonly value: string } | undefined } | undefined;
}

/** What every simulated cluster has: a clock, an API server, and one seed that decides all that is left to chance. */
export class World {
  readonly rng: Rng;
  readonly agenda = new Agenda();
  readonly story = new Story(this.agenda);
  readonly api = new ApiServer(this.agenda);
  #nonce = 0;

  constructor(seed: number) {
    this.rng = rngOf(seed);
  }

  /** People and tools do something after a while; where nobody answers them then, once the API server does. */
  later(delayMs: number, run: () => void): void {
    this.agenda.after(delayMs, () => this.api.whenUp(run));
  }

  /** A person asks for something, as the command line does: an abort that waits is not overwritten.
   * @param hash of what the person sees, and means */
  protected ask(object: Asked, verb: string, hash: string): void {
    const before = object.metadata.annotations?.[ANNOTATION_REQUEST];
    if (before?.startsWith("abort") === true && object.status?.lastRequest?.value !== before) return;
    const [name = "", argument] = verb.split(":");
    const value = formatRequest({
      verb: name,
      ...(argument === undefined ? {} : { argument }),
      hash,
      nonce: String(++this.#nonce),
    });
    const annotations = { ...object.metadata.annotations, [ANNOTATION_REQUEST]: value };
    this.api.change("person", object, { ...object, metadata: { ...object.metadata, annotations } });
  }
}
