import { GROUP } from "./kubernetes.ts";

/** Where a person's request stands, on a Rollout or a FeatureFlag. */
export const ANNOTATION_REQUEST = `${GROUP}/request`;

/** A person's request, as it stands in the annotation `zenith.sh/request: verb[:argument]@revision#nonce`. */
export interface Request {
  readonly verb: string;
  readonly argument?: string;
  readonly hash: string;
  readonly nonce: string;
}

/** Undefined where the text is no request. */
export function parseRequest(text: string): Request | undefined {
  const match = /^([a-z]{1,20})(?::([a-z0-9]{1,20}))?@([a-z0-9]{1,20})#([A-Za-z0-9._-]{1,64})$/.exec(text);
  if (match === null) return undefined;
  const [, verb = "", argument, hash = "", nonce = ""] = match;
  return { verb, ...(argument === undefined ? {} : { argument }), hash, nonce };
}

export function formatRequest({ verb, argument, hash, nonce }: Request): string {
  return `${verb}${argument === undefined ? "" : `:${argument}`}@${hash}#${nonce}`;
}
