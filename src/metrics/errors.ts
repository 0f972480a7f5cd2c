/** A file of credentials cannot be used. The message names what it is for, and nothing of what it holds. */
export class CredentialsError extends Error {
  override readonly name = "CredentialsError";
  readonly retryable = true; // The file may be there at the next try: secrets are mounted late, and rotated.
}
