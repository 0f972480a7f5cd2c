import { createSocket, type Socket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/**
 * Ports that nobody else draws, from before a program is started until long after: a pod keeps its own through a crash loop, a
 * server that is stopped and started again finds its own free.
 *
 * Drawn below those that the kernel gives to whoever listens on 0 or calls out. A claim is the UDP port of the same number, held
 * open: TCP is not hindered by it, a second claim is, from whichever process or checkout, and the kernel ends it with its owner,
 * in whatever way that ends.
 */

const LOOPBACK = "127.0.0.1";
const LOWEST = 20_000;
/** Where the kernel's begin on Linux, unless it is told otherwise; elsewhere they begin later. */
const USUAL_EPHEMERAL = 32_768;
/** Fewer below it are too few to draw from. */
const LEAST = 1_000;
/** In vain: so many mean that something else is wrong. */
const DRAWS = 1_000;

const claims = new Map<number, Socket>();

/** Ports of the loopback interface that are free, and this process's until it gives them back or ends.
 * @throws Error when none is found */
export async function claimPorts(count: number, draw = anyPort): Promise<number[]> {
  const ports: number[] = [];
  for (let inVain = 0; ports.length < count; ) {
    const port = draw();
    if (await claim(port)) ports.push(port);
    else if (++inVain === DRAWS) throw new Error(`No free port in ${DRAWS} draws, the last of them ${port}`);
  }
  return ports;
}

/** Gives ports back; the programs that listened on them have ended. */
export function releasePorts(ports: readonly number[]): void {
  for (const port of ports) {
    claims.get(port)?.close();
    claims.delete(port);
  }
}

async function claim(port: number): Promise<boolean> {
  const socket = createSocket("udp4").unref();
  const isMine = await new Promise<boolean>((resolve) => {
    socket.once("error", () => resolve(false));
    socket.bind({ address: LOOPBACK, port, exclusive: true }, () => resolve(true));
  });
  // What does not ask here may listen on it all the same, or has outlived its owner's claim for a moment.
  if (isMine && (await isFree(port))) {
    claims.set(port, socket);
    return true;
  }
  socket.close();
  return false;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, LOOPBACK, () => server.close(() => resolve(true)));
  });
}

function anyPort(): number {
  return LOWEST + Math.floor(Math.random() * (firstEphemeral() - LOWEST));
}

function firstEphemeral(): number {
  try {
    const first = Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10);
    return first < LOWEST + LEAST ? USUAL_EPHEMERAL : first;
  } catch {
    return USUAL_EPHEMERAL; // Not Linux.
  }
}
