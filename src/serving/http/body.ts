import type { IncomingMessage } from "node:http";

/** Why a body was not read, as HTTP says it. */
export class BodyRefused extends Error {
  override readonly name = "BodyRefused";
  readonly status: 400 | 413 | 415;

  constructor(status: 400 | 413 | 415, message: string) {
    super(message);
    this.status = status;
  }
}

/** Reads a body whole. One that is too large is refused by its announced length, or as soon as it is: no more than `mostBytes`
 * is ever held. One that comes too slowly is ended by the server's own `requestTimeout`.
 * @throws BodyRefused */
export function readBody(request: IncomingMessage, mostBytes: number): Promise<Buffer> {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity")
    return Promise.reject(new BodyRefused(415, "The body is compressed; send it plain"));
  if (Number(request.headers["content-length"]) > mostBytes) return Promise.reject(tooLarge(mostBytes));
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes <= mostBytes) parts.push(part);
      else {
        parts.length = 0;
        request.pause();
        reject(tooLarge(mostBytes));
      }
    });
    request.on("end", () => resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)));
    request.on("error", () => reject(new BodyRefused(400, "The body ended before it was complete")));
  });
}

function tooLarge(mostBytes: number): BodyRefused {
  return new BodyRefused(413, `The body is larger than ${mostBytes / 1024} KiB; send what flags ask for`);
}
