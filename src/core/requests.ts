import type { KubeObject } from "../api/kubernetes.ts";
import { ANNOTATION_REQUEST, parseRequest } from "../api/request.ts";

/** A person's request that status has not answered yet, or why it is refused before anyone looks at the verb. */
export type Asked =
  | { readonly kind: "asked"; readonly value: string; readonly verb: string; readonly argument?: string }
  | { readonly kind: "refused"; readonly value: string; readonly result: string };

/** Reads the request annotation. One that status has answered already, or none, gives undefined; one for another hash than
 * the present one is refused, not obeyed: it was meant for what its writer saw.
 * @param answered the value that status answered last
 * @param what the hash is of, for messages: "revision" */
export function askedOf(
  { metadata }: KubeObject,
  answered: string | undefined,
  present: string | undefined,
  what: string,
): Asked | undefined {
  const value = metadata.annotations?.[ANNOTATION_REQUEST];
  if (value === undefined || asAnswered(value) === answered) return undefined;
  const request = parseRequest(value);
  if (request === undefined) {
    const got = JSON.stringify(readable(value.slice(0, 64)));
    return { kind: "refused", value, result: `refused: must read verb[:argument]@${what}#nonce (got ${got})` };
  }
  const { verb, argument, hash } = request;
  if (hash === present) return { kind: "asked", value, verb, ...(argument === undefined ? {} : { argument }) };
  const result = `refused: meant for ${what} ${hash}, the present one is ${present ?? "none"}`;
  return { kind: "refused", value, result };
}

/** A request as status tells that it was answered: as much of it as status has room for. */
export function asAnswered(value: string): string {
  return value.slice(0, 512);
}

/** Letters that turn the order of what follows would make a sentence say another thing. */
function readable(text: string): string {
  return text.replace(/\p{Bidi_Control}/gu, "");
}
