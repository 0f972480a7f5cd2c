import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { type Client, OpenFeature, type Provider, ProviderEvents } from "@openfeature/web-sdk";

/** A page as its authors write it: the web SDK with an unmodified provider. The test drives it by what it hangs on `window`. */
declare const window: { page: typeof page };

type Attributes = { readonly [attribute: string]: string };

let client: Client;
const events: string[] = [];
const page = {
  events,
  start: async (baseUrl: string, token: string, context: Attributes) => {
    const provider = new OFREPWebProvider({ baseUrl, headers: [["Authorization", `Bearer ${token}`]] });
    await OpenFeature.setContext(context);
    await OpenFeature.setProviderAndWait(provider as Provider);
    client = OpenFeature.getClient();
    client.addHandler(ProviderEvents.ConfigurationChanged, (event) => void events.push(...(event?.flagsChanged ?? [])));
  },
  become: (context: Attributes) => OpenFeature.setContext(context),
  boolean: (key: string, fallback: boolean) => client.getBooleanDetails(key, fallback),
  /** The variants that each of many users gets, one after the other, as a page has one user at a time. */
  variantsOf: async (keys: readonly string[], users: readonly Attributes[]) => {
    const variants: (string | undefined)[][] = [];
    for (const user of users) {
      await OpenFeature.setContext(user);
      variants.push(
        keys.map((key) => client.getStringDetails(key, "code").variant ?? client.getBooleanDetails(key, false).variant),
      );
    }
    return variants;
  },
};
window.page = page;
