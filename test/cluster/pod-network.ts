import { Agent, buildConnector, setGlobalDispatcher } from "undici";

/**
 * Loaded before a program of ours that asks pods by their addresses: these are virtual here, and whoever runs the pods says where
 * each is served (`POD_ADDRESSES`, to which the address is added). An address that nobody knows is refused at once.
 */
const addresses = process.env.POD_ADDRESSES ?? "";
const connect = buildConnector({});

setGlobalDispatcher(
  new Agent({
    connect: (options, callback) => {
      if (!options.hostname.startsWith("10.")) {
        connect(options, callback);
        return;
      }
      const isServedAt = async (): Promise<string> => (await fetch(`${addresses}${options.hostname}`)).text();
      isServedAt().then(
        (address) => {
          const [hostname = "", port = ""] = address.split(":");
          if (hostname === "") callback(new Error(`Nobody is at ${options.hostname}`), null);
          else connect({ ...options, host: address, hostname, port }, callback);
        },
        (error: Error) => callback(error, null),
      );
    },
  }),
);
