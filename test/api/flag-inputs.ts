import { parse } from "yaml";
import { merged } from "./live.ts";

/** A FeatureFlag that is accepted; the rows below differ from it. */
export const GOOD_FLAG = `
apiVersion: zenith.sh/v1alpha1
kind: FeatureFlag
metadata: {name: new-checkout, namespace: default}
spec:
  flagSet: default/web
  variants: {boolean: {"on": true, "off": false}}
  defaultVariant: "off"
  targets: [{variant: "on", keys: [alice]}]
  rules: [{when: [{attribute: plan, in: [pro]}], serve: "on"}]
  strategy: {percentage: {weights: [{variant: "on", weight: 25}, {variant: "off", weight: 75}]}}
`;

/** `GOOD_FLAG` with a merge patch, as JSON: YAML would need quotes around "on". */
export function changedFlag(
  patch: string,
  metadata: { readonly name?: string; readonly namespace?: string } = {},
): string {
  return JSON.stringify(merged(merged(parse(GOOD_FLAG), parse(patch)), { metadata }));
}

/** Inputs that admission refuses, by their number in the list of ninety. */
export interface RefusedFlag {
  readonly number: number;
  readonly what: string;
  readonly patch: string;
  readonly path: string;
  readonly says: string | RegExp;
}

const weights = (...list: readonly string[]) => `spec: {strategy: {percentage: {weights: [${list.join(", ")}]}}}`;
const shares = (on: string, off: string) =>
  weights(`{variant: "on", weight: ${on}}`, `{variant: "off", weight: ${off}}`);
const when = (clause: string) => `spec: {rules: [{when: [${clause}], serve: "on"}]}`;
const strategy = (member: string) => `spec: {strategy: {percentage: null, ${member}}}`;
const ramp = (rest: string) =>
  strategy(`progressive: {variant: "on", start: 2027-01-01T00:00:00Z, end: 2027-02-01T00:00:00Z, ${rest}}`);
const window = (rest: string) => `spec: {schedule: {windows: [{from: "09:00", to: "17:00", ${rest}}]}}`;
const many = <T>(count: number, item: (i: number) => T) => Array.from({ length: count }, (_, i) => item(i));
const WEIGHTS = "spec.strategy.percentage.weights";
const SHARE = 'must be a percentage from 0 to 100, as a number or as text such as "0.125%"';
const QUOTES = 'in YAML write "on" and "off" with quotes';

export const REFUSED_FLAGS: readonly RefusedFlag[] = [
  {
    number: 61,
    what: "no variants",
    patch: "spec: {variants: {boolean: {on: null, off: null}}}",
    path: "spec.variants.boolean",
    says: "must have at least one variant",
  },
  {
    number: 61,
    what: "variants of no type",
    patch: "spec: {variants: {boolean: null}}",
    path: "spec.variants",
    says: "variants must have exactly one of boolean, string, number, object (got none)",
  },
  {
    number: 62,
    what: "a defaultVariant that is none",
    patch: "spec: {defaultVariant: blue}",
    path: "spec.defaultVariant",
    says: `"blue" is not one of variants; ${QUOTES}`,
  },
  {
    number: 62,
    what: "a safeVariant that is none",
    patch: "spec: {safeVariant: blue}",
    path: "spec.safeVariant",
    says: `"blue" is not one of variants; ${QUOTES}`,
  },
  {
    number: 62,
    what: "no defaultVariant",
    patch: "spec: {defaultVariant: null}",
    path: "spec.variants",
    says: "variants need a defaultVariant",
  },
  {
    number: 62,
    what: "variants whose quotes YAML has eaten",
    patch: 'spec: {variants: {boolean: {"on": null, "off": null, true: true, false: false}}}',
    path: "spec.defaultVariant",
    says: `"off" is not one of variants; ${QUOTES}`,
  },
  {
    number: 63,
    what: "a number among booleans",
    patch: 'spec: {variants: {boolean: {"on": 1}}}',
    path: "spec.variants.boolean.on",
    says: /must be of type boolean/,
  },
  {
    number: 63,
    what: "a list for an object",
    patch: "spec: {variants: {boolean: null, object: {a: []}}, defaultVariant: a}",
    path: "spec.variants.object.a",
    says: /must be of type object/,
  },
  {
    number: 63,
    what: "variants of two types",
    patch: "spec: {variants: {string: {a: b}}}",
    path: "spec.variants",
    says: "variants must have exactly one of boolean, string, number, object (got more than one)",
  },
  {
    number: 64,
    what: "51 variants",
    patch: `spec: {variants: {boolean: {${many(49, (i) => `v${i}: true`).join(", ")}}}}`,
    path: "spec.variants.boolean",
    says: /must have at most 50 items/,
  },
  {
    number: 64,
    what: "a text of 64 KiB and one",
    patch: `spec: {variants: {boolean: null, string: {"on": "${"x".repeat(65_537)}", "off": ""}}}`,
    path: "spec.variants.string.on",
    says: /may not be more than 65536/,
  },
  {
    number: 64,
    what: "a number that loses digits",
    patch: 'spec: {variants: {boolean: null, number: {"on": 9007199254740993, "off": 0}}}',
    path: "spec.variants.number",
    says: "numbers must be within ±9007199254740991, or clients would lose digits",
  },
  {
    number: 65,
    what: "an empty key",
    patch: 'spec: {key: ""}',
    path: "spec.key",
    says: /should be at least 1 chars long/,
  },
  {
    number: 65,
    what: "the key __proto__",
    patch: "spec: {key: __proto__}",
    path: "spec.key",
    says: "must not be __proto__, constructor, prototype, which every object of JavaScript has",
  },
  {
    number: 65,
    what: "the name constructor for a key",
    patch: "metadata: {name: constructor}",
    path: "spec.key",
    says: "must not be __proto__, constructor, prototype",
  },
  {
    number: 65,
    what: "a key of 1 KiB",
    patch: `spec: {key: ${"k".repeat(1024)}}`,
    path: "spec.key",
    says: /may not be more than 253/,
  },
  {
    number: 65,
    what: "a key with a slash",
    patch: "spec: {key: a/b}",
    path: "spec.key",
    says: 'must be letters, digits, - _ . and :, such as "new-checkout" (got "a/b")',
  },
  {
    number: 65,
    what: "a key with a NUL",
    patch: 'spec: {key: "a\\0b"}',
    path: "spec.key",
    says: "must be letters, digits, - _ . and :",
  },
  {
    number: 65,
    what: "the variant constructor",
    patch: "spec: {variants: {boolean: {constructor: true}}}",
    path: "spec.variants.boolean",
    says: "names of variants must be letters, digits, - _ and ., at most 63, not __proto__, constructor, prototype",
  },
  { number: 66, what: "shares of 99 %", patch: shares("25", "74"), path: WEIGHTS, says: "weights must sum to 100 %" },
  {
    number: 66,
    what: "shares of 100.001 %",
    patch: shares('"25.001%"', "75"),
    path: WEIGHTS,
    says: "weights must sum to 100 %",
  },
  {
    number: 66,
    what: "a negative share",
    patch: shares("-25", "125"),
    path: `${WEIGHTS}[0].weight`,
    says: `${SHARE} (got -25)`,
  },
  {
    number: 66,
    what: "a share that is no whole number",
    patch: shares("25.5", "74.5"),
    path: `${WEIGHTS}[0].weight`,
    says: /must be of type integer,string/,
  },
  {
    number: 66,
    what: "a share finer than 0.001 %",
    patch: shares('"0.0001%"', '"99.9999%"'),
    path: `${WEIGHTS}[0].weight`,
    says: `${SHARE} (got 0.0001%)`,
  },
  {
    number: 66,
    what: "a share without a sign",
    patch: shares('"25"', '"75"'),
    path: `${WEIGHTS}[0].weight`,
    says: `${SHARE} (got 25)`,
  },
  {
    number: 66,
    what: "shares that are all 0",
    patch: shares("0", "0"),
    path: WEIGHTS,
    says: "weights must sum to 100 %",
  },
  {
    number: 66,
    what: "a share beyond 32 bits",
    patch: shares("2147483648", "75"),
    path: `${WEIGHTS}[0].weight`,
    says: `${SHARE} (got 2147483648)`,
  },
  { number: 66, what: "no share at all", patch: weights(), path: WEIGHTS, says: "weights must sum to 100 %" },
  {
    number: 66,
    what: "a variant that stands twice",
    patch: weights('{variant: "on", weight: 50}', '{variant: "on", weight: 50}'),
    path: WEIGHTS,
    says: "each variant may stand only once",
  },
  {
    number: 67,
    what: "a rule that serves no variant",
    patch: "spec: {rules: [{when: [], serve: blue}]}",
    path: "spec.rules",
    says: `every serve must be one of variants; ${QUOTES}`,
  },
  {
    number: 67,
    what: "a target of no variant",
    patch: "spec: {targets: [{variant: blue, keys: [a]}]}",
    path: "spec.targets",
    says: "every variant must be one of variants",
  },
  {
    number: 67,
    what: "a share of no variant",
    patch: weights("{variant: blue, weight: 100}"),
    path: WEIGHTS,
    says: "every variant must be one of variants",
  },
  {
    number: 67,
    what: "a canary of no variant",
    patch: strategy("canary: {variant: blue}"),
    path: "spec.strategy.canary.variant",
    says: '"blue" is not one of variants',
  },
  {
    number: 67,
    what: "a progressive strategy of no variant",
    patch: ramp("variant: blue").replace('variant: "on", ', ""),
    path: "spec.strategy.progressive.variant",
    says: '"blue" is not one of variants',
  },
  {
    number: 67,
    what: "everyone of no variant",
    patch: strategy("allAtOnce: {variant: blue}"),
    path: "spec.strategy.allAtOnce.variant",
    says: '"blue" is not one of variants',
  },
  {
    number: 68,
    what: "an operator that is unknown",
    patch: when("{attribute: plan, matches: pro}"),
    path: "spec.rules[0].when[0].matches",
    says: /unknown field/,
  },
  {
    number: 69,
    what: "no operator",
    patch: when("{attribute: plan}"),
    path: "spec.rules[0].when[0]",
    says: "a condition must have exactly one of in, notIn, startsWith, endsWith, contains",
  },
  {
    number: 69,
    what: "two operators",
    patch: when("{attribute: plan, in: [pro], contains: p}"),
    path: "spec.rules[0].when[0]",
    says: "(got more than one)",
  },
  {
    number: 69,
    what: "an operator without an attribute",
    patch: when("{in: [pro]}"),
    path: "spec.rules[0].when[0]",
    says: "attribute belongs to in, notIn, startsWith",
  },
  {
    number: 69,
    what: "a segment with an attribute",
    patch: when("{attribute: plan, segment: staff}"),
    path: "spec.rules[0].when[0]",
    says: "and each of them needs it",
  },
  {
    number: 69,
    what: "a list of nothing",
    patch: when("{attribute: plan, in: []}"),
    path: "spec.rules[0].when[0].in",
    says: "must have at least one value",
  },
  {
    number: 69,
    what: "text where a number is compared",
    patch: when('{attribute: age, atLeast: "18"}'),
    path: "spec.rules[0].when[0].atLeast",
    says: /must be of type number/,
  },
  {
    number: 70,
    what: "more conditions than there may be",
    patch: when(many(21, () => "{segment: a}").join(", ")),
    path: "spec.rules[0].when",
    says: /must have at most 20 items/,
  },
  {
    number: 70,
    what: "more rules than there may be",
    patch: `spec: {rules: [${many(51, () => '{when: [], serve: "on"}').join(", ")}]}`,
    path: "spec.rules",
    says: /must have at most 50 items/,
  },
  {
    number: 72,
    what: "a version that is none",
    patch: when('{attribute: v, semver: ">=2.x"}'),
    path: "spec.rules[0].when[0].semver",
    says: 'must be an operator and a whole version, such as ">=2.1.0" (got ">=2.x")',
  },
  {
    number: 72,
    what: "a version with an operator that is none",
    patch: when('{attribute: v, semver: "=>2.0.0"}'),
    path: "spec.rules[0].when[0].semver",
    says: '(got "=>2.0.0")',
  },
  {
    number: 79,
    what: "a window that ends before it begins",
    patch: window('to: "08:00"').replace('to: "17:00", ', ""),
    path: "spec.schedule.windows[0]",
    says: "to must be later than from; for a night write two windows, up to 24:00 and from 00:00",
  },
  {
    number: 79,
    what: "a zone that is none",
    patch: window("timeZone: Mars/Phobos"),
    path: "spec.schedule.windows[0].timeZone",
    says: "unknown time zone Mars/Phobos",
  },
  {
    number: 79,
    what: "a time that is none",
    patch: window('to: "25:00"').replace('to: "17:00", ', ""),
    path: "spec.schedule.windows[0].to",
    says: 'must be a time of day such as "09:30" (got "25:00")',
  },
  {
    number: 79,
    what: "a day that is none",
    patch: window("days: [someday]"),
    path: "spec.schedule.windows[0].days[0]",
    says: '(got "someday")',
  },
  {
    number: 79,
    what: "a freeze that ends before it begins",
    patch: "spec: {schedule: {freezes: [{from: 2027-01-02T00:00:00Z, to: 2027-01-01T00:00:00Z}]}}",
    path: "spec.schedule.freezes[0]",
    says: "to must be later than from",
  },
  {
    number: 79,
    what: "a ramp that ends before it begins",
    patch: ramp("end: 2026-01-01T00:00:00Z").replace("end: 2027-02-01T00:00:00Z, ", ""),
    path: "spec.strategy.progressive",
    says: "end must be later than start",
  },
  {
    number: 79,
    what: "a day that is in no calendar",
    patch: ramp("end: 2027-02-30T00:00:00Z").replace("end: 2027-02-01T00:00:00Z, ", ""),
    path: "spec.strategy.progressive.end",
    says: /must be of type date-time/,
  },
  {
    number: 79,
    what: "a ramp that falls",
    patch: ramp("from: 50, to: 10"),
    path: "spec.strategy.progressive",
    says: "to must be more than from; a graceful revert is what makes a share smaller",
  },
  {
    number: 83,
    what: "a ramp by itself that a Rollout should hold",
    patch: `${ramp("mode: continuous").slice(0, -1)}, rolloutRef: {name: web}}`,
    path: "spec.strategy.progressive.mode",
    says: "mode continuous advances by itself, so schedule and rolloutRef could not hold it; use stepped",
  },
];

/** Inputs that look odd and are taken. */
export const TAKEN_FLAGS: readonly { readonly number: number; readonly what: string; readonly patch: string }[] = [
  { number: 61, what: "variants left out: on and off", patch: "spec: {variants: null, defaultVariant: null}" },
  {
    number: 64,
    what: "fifty variants",
    patch: `spec: {variants: {boolean: {${many(48, (i) => `v${i}: true`).join(", ")}}}}`,
  },
  {
    number: 64,
    what: "a text of 64 KiB",
    patch: `spec: {variants: {boolean: null, string: {"on": "${"x".repeat(65_536)}", "off": ""}}}`,
  },
  { number: 65, what: "a key with dots and colons", patch: "spec: {key: 'Team.checkout:new_flow-2'}" },
  { number: 66, what: "a share of 0.001 %", patch: shares('"0.001%"', '"99.999%"') },
  { number: 66, what: "all for one", patch: weights('{variant: "on", weight: 100}') },
  { number: 69, what: "a rule for everyone", patch: 'spec: {rules: [{when: [], serve: "on"}]}' },
  {
    number: 72,
    what: "versions with every operator",
    patch: when(
      ["1.2.3", "=1.2.3", "!=1.2.3", "<1.2.3", "<=1.2.3", ">1.2.3", ">= 1.2.3", "~1.2.3", "^1.2.3-rc.1+b"]
        .map((v) => `{attribute: v, semver: "${v}"}`)
        .join(", "),
    ),
  },
  {
    number: 72,
    what: "what would be a dear regular expression elsewhere is text here",
    patch: when('{attribute: a, contains: "(a+)+$"}'),
  },
  { number: 78, what: "a flag that is disabled", patch: "spec: {enabled: false}" },
  {
    number: 79,
    what: "a window up to midnight, in a zone with daylight saving time",
    patch: 'spec: {schedule: {windows: [{days: [sun], from: "22:00", to: "24:00", timeZone: America/New_York}]}}',
  },
  {
    number: 84,
    what: "a rule that asks for the time",
    patch: when("{jsonLogic: {'>': [{var: $flagd.timestamp}, 1800000000]}}"),
  },
];
