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

/** JSONLogic: an operator with its arguments, or a value. */
export type Logic = JsonValue;

/** Who may see a flag: servers alone, or browsers too. */
export type Visibility = "server" | "client";
