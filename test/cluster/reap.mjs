// Reads "+pid" and "-pid", a line each, and when our standard input closes, which happens however the parent dies, kills
// those that are left: one such process for many small programs, where a supervisor for each would start too slowly.
import { createInterface } from "node:readline";

const running = new Set();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => undefined); // The parent's end is ours.
for await (const line of createInterface({ input: process.stdin })) {
  const pid = Number(line.slice(1));
  if (line.startsWith("+")) running.add(pid);
  else running.delete(pid);
}
for (const pid of running) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
