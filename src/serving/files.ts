import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes a file so that whoever reads it, also after a crash in the middle, finds the old one or the new one whole. The first
 * line is a checksum of the rest. */
export async function writeWhole(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const scratch = `${path}.${randomUUID()}`;
  try {
    const file = await open(scratch, "w", 0o600);
    try {
      await file.writeFile(`${checksum(content)}\n${content}`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true });
    throw error;
  }
}

/** Reads what `writeWhole` wrote.
 * @returns undefined where there is none
 * @throws Error where it is damaged, or cannot be read */
export async function readWhole(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const end = text.indexOf("\n");
  const content = text.slice(end + 1);
  if (text.slice(0, end) !== checksum(content)) throw new Error(`${path} is damaged: its checksum is another one`);
  return content;
}

function checksum(content: string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
