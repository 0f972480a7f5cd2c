/** A flag as flagd defines it: https://flagd.dev/schema/v0/flags.json. */
export interface FlagDefinition {
  readonly state: "ENABLED" | "DISABLED";
  readonly variants: Readonly<Record<string, JsonValue>>;
  /** None: the code default. */
  readonly defaultVariant?: string | null;
  /** JSONLogic that yields a variant; empty or absent: always the default. */
  readonly targeting?: unknown;
  readonly metadata?: FlagMetadata;
}

export type JsonValue = boolean | number | string | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type FlagMetadata = Readonly<Record<string, boolean | number | string>>;

/** Who may see a flag: servers alone, or browsers too. */
export type Visibility = "server" | "client";

/** A flag that was compiled and is to be served. */
export interface CompiledFlag {
  readonly key: string;
  readonly flagSet: string;
  readonly definition: FlagDefinition;
  readonly visibility: Visibility;
  /** Names what is served: equal versions of a flag answer alike. */
  readonly version: string;
}
