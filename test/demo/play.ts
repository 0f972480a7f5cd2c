import { execFile } from "node:child_process";

/** `npm run demo` with arguments, as its reader runs it: to its end. */
export function play(...args: string[]): Promise<{ readonly code: number; readonly stdout: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ["test/demo/main.ts", ...args], { timeout: 280_000 }, (_error, stdout) =>
      resolve({ code: child.exitCode ?? -1, stdout }),
    );
  });
}
