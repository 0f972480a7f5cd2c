// Runs one program and sees to its end: when our standard input closes, which happens however the parent dies, the
// program gets SIGTERM and, five seconds later, SIGKILL. Plain JavaScript: it starts ten times a test run.
import { spawn } from "node:child_process";

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
let ending = false;

function end() {
  if (ending) return;
  ending = true;
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), 5_000).unref();
}

process.stdin.on("end", end).on("error", end).resume();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, end);
child.on("error", (error) => {
  process.stderr.write(`Cannot start ${command}: ${error.message}\n`);
  process.exit(127);
});
child.on("exit", (code, signal) => process.exit(signal ? 128 : (code ?? 1)));
process.send?.({ pid: child.pid });
