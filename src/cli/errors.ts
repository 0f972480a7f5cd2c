/** What scripts are told by the exit code. */
export const EXIT = {
  ok: 0, // For `status`: promoted.
  error: 1, // A mistake of use, or an answer of the API server's.
  reverted: 2, // The release was taken back, or cannot go on.
  timeout: 3,
  human: 4, // It waits for a person.
  superseded: 5, // Another revision is wanted by now.
} as const;

/** A mistake that a person can mend: one sentence, and what to do about it. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly hint: string | undefined;
  readonly code: number;

  constructor(message: string, hint?: string, code: number = EXIT.error) {
    super(message);
    this.hint = hint;
    this.code = code;
  }
}
