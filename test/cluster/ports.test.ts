import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { claimPorts, releasePorts } from "./ports.ts";

/** A process that claims as many as it is told, says which, and holds them until it is ended, or we are. */
const CLAIMANT = `
const { claimPorts } = await import(${JSON.stringify(new URL("./ports.ts", import.meta.url).href)});
console.log(JSON.stringify(await claimPorts(Number(process.argv[1]))));
process.stdin.resume().on("end", () => process.exit());
`;

const FIRST_EPHEMERAL = Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10);

let own: number[] = [];
afterEach(() => releasePorts(own));

describe("claimPorts()", () => {
  test("never gives a port twice, be it to this process or to others", async () => {
    const others = await Promise.all([claimant(300), claimant(300)]);
    own = await claimPorts(300);
    const all = [...own, ...others.flatMap(({ ports }) => ports)];
    for (const { kill } of others) await kill();
    expect(new Set(all).size).toBe(900);
  });

  // A kernel that gives nearly all ports leaves none to draw from.
  test.skipIf(FIRST_EPHEMERAL < 21_000)("gives none that the kernel gives to others", async () => {
    own = await claimPorts(50);
    expect(Math.max(...own)).toBeLessThan(FIRST_EPHEMERAL);
  });

  test("leaves it to its owner to listen on it, again and again", async () => {
    own = await claimPorts(1);
    const [port = 0] = own;
    for (let i = 0; i < 2; i++) await close(await listen(port));
  });

  test("gives what a killed process held, and nothing before", async () => {
    const { ports, kill } = await claimant(1);
    const again = () => claimPorts(1, () => ports[0] ?? 0);
    await expect(again()).rejects.toThrow("No free port");
    await kill();
    own = await again();
    expect(own).toEqual(ports);
  });

  test("gives none on which somebody listens who did not ask", async () => {
    const [port = 0] = await claimPorts(1);
    releasePorts([port]);
    const server = await listen(port);
    await expect(claimPorts(1, () => port)).rejects.toThrow("No free port");
    await close(server);
  });
});

async function claimant(count: number): Promise<{ ports: number[]; kill(): Promise<void> }> {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", CLAIMANT, String(count)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    ports: JSON.parse(line.toString()),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function close(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}
