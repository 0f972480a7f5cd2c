import protobuf from "protobufjs";

const FOLDER = "src/serving/grpc/proto";
const FILES = ["evaluation_v1.proto", "evaluation_v2.proto", "sync_v1.proto", "health_v1.proto"];

/** The proto files as one JSON descriptor: the bundle is a single file, and no machine needs a compiler for them. */
export function protosJson(): string {
  const root = new protobuf.Root();
  root.loadSync(FILES.map((file) => `${FOLDER}/${file}`));
  root.resolveAll();
  return `${JSON.stringify(root.toJSON({ keepComments: false }), null, 1)}\n`;
}
