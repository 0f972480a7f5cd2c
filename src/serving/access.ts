import type { IncomingHttpHeaders } from "node:http";
import type { Visibility } from "../core/flags/definition.ts";

/** What someone may see. */
export interface Access {
  readonly viewer: Visibility;
  /** The flag set of a request that names none. */
  readonly flagSet: string;
  mayUse(flagSet: string): boolean;
}

/** Not let in: 401 where it is not known who asks, 403 where that one may not. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly message: string;
}

/** Decides from the headers alone, so that nobody's body is read before. */
export type Authorize = (headers: IncomingHttpHeaders) => Access | Refusal | Promise<Access | Refusal>;

export function isRefusal(decision: Access | Refusal): decision is Refusal {
  return "status" in decision;
}

/** Lets everyone in, to every flag set.
 * @param flagSet of those who name none */
export function openTo(viewer: Visibility, flagSet: string): Authorize {
  const access = { viewer, flagSet, mayUse: () => true };
  return () => access;
}
