import { randomBytes } from "node:crypto";

/**
 * What a client is told to fetch: a configuration, and by which stream it hears of it. To the client both together are one word,
 * which it gives back when it fetches and when it comes back to its stream, at whichever server: so it is known who has what.
 */
export interface Hint {
  readonly etag: string;
  /** Undefined where the word is not one of ours. */
  readonly stream: string | undefined;
}

const WORD = /^(?<etag>.*)\.(?<stream>[\w-]{8})$/;

export function writeHint({ etag, stream }: Hint): string {
  return stream === undefined ? etag : `${etag}.${stream}`;
}

export function readHint(word: string): Hint {
  const { etag = word, stream } = WORD.exec(word)?.groups ?? {};
  return { etag, stream };
}

/** Nobody else's, on any server, and nothing that anyone could guess. */
export function newStreamName(): string {
  return randomBytes(6).toString("base64url");
}
