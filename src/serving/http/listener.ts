import { createServer, type RequestListener, type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";

/** How long a client may take for its headers, and for a whole request. */
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const SWEEP_MS = 1_000;
/** Longer than load balancers keep idle connections: they close first, and no request meets a connection that goes. */
const KEEP_ALIVE_MS = 75_000;

/** An HTTP/1.1 server whose every refusal has a body that a developer understands, also where Node answers by itself. */
export function createHttpServer(listener: RequestListener): Server {
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: SWEEP_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: 16 * 1024,
    },
    listener,
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket));
  return server;
}

function refuse({ code = "" }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, details] = sentenceOf(code);
  const body = JSON.stringify({ errorCode: "GENERAL", errorDetails: details });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}

function sentenceOf(code: string): [status: number, details: string] {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [408, "The request did not arrive whole in time: headers within 5 seconds, all of it within 10"];
    case "HPE_HEADER_OVERFLOW":
      return [431, "The headers are larger than 16 KiB"];
    default:
      return [400, "The request is no HTTP"];
  }
}
