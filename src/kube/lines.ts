/** The largest object that etcd takes is 1.5 MiB, of which JSON may make some more; a line beyond this is no event. */
const LONGEST_LINE = 16 * 1024 * 1024;

/**
 * Splits a body at newlines, on bytes: a character cut in two by a chunk is whole again before anybody decodes it. A last
 * line without an end is dropped, as it may be half of one; what it told is told again by the next watch.
 * A chunk is at most 64 KiB, so that the event loop turns after a few milliseconds of parsing.
 * @throws RangeError on a line of more than 16 MiB, and whatever `onLine` and the body throw
 */
export async function readLines(
  body: AsyncIterable<Buffer>,
  onLine: (line: Buffer) => void,
  onData: () => void,
): Promise<void> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    onData();
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end);
      onLine(parts.length === 0 ? piece : Buffer.concat([...parts, piece]));
      parts = [];
      length = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > LONGEST_LINE) throw new RangeError(`A line of a watch may have ${LONGEST_LINE} bytes: got more`);
  }
}
