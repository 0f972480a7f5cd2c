/** Ends a switch over a union: the compiler refuses a member that was forgotten, and so do we should one come in at run time. */
export function unreachable(value: never, what: string): never {
  throw new Error(`Unknown ${what}: ${JSON.stringify(value)}`);
}
