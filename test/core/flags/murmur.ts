/** MurmurHash3 for x86 in 32 bits, seed 0, of a text's UTF-8: what flagd names as its hash. */
export function murmur3(text: string): number {
  const bytes = Buffer.from(text, "utf8");
  const blocks = bytes.length - (bytes.length % 4);
  let hash = 0;
  for (let i = 0; i < blocks; i += 4) {
    hash = rotated(hash ^ scrambled(bytes.readUInt32LE(i)), 13);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  const tail = bytes.subarray(blocks).reduceRight((word, byte) => (word << 8) | byte, 0);
  hash ^= scrambled(tail) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(word: number): number {
  return Math.imul(rotated(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** A user's place on the line from 0 to 100,000. */
export function placeOf(seed: string, key: string): number {
  return Number((BigInt(murmur3(seed + key)) * 100_000n) >> 32n);
}
