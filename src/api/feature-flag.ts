import * as z from "zod";
import { analysisFields, labelName, seriesLabels } from "./analysis.ts";
import { type CelRule, cel, unlessSaid } from "./crd.ts";
import type { FeatureFlagStatus } from "./feature-flag-status.ts";
import { choice, durationOrZero, intOrString, nameOf, oneOf } from "./fields.ts";
import type { KubeObject } from "./kubernetes.ts";
import { schedule } from "./schedule.ts";
import { stepFields, stepRules } from "./steps.ts";
import { attributeName, keys, RESERVED, variantName, variantNameRule, when } from "./targeting.ts";
import { moment } from "./times.ts";

export type { FeatureFlagStatus };

/** What a user may say in a FeatureFlag. The only source, with feature-flag-status.ts: the CRD, the reference and the types
 * come from here. */

export const FLAG_KEY = "^[A-Za-z0-9_][-A-Za-z0-9_.:]*$";
const flagKey = (description: string) =>
  z
    .string()
    .min(1)
    .max(253)
    .meta({
      description,
      ...cel({
        rule: `self.matches('${FLAG_KEY}')`,
        message: `'must be letters, digits, - _ . and :, such as "new-checkout" (got "' + self + '")'`,
      }),
    });

const MOST_VARIANTS = 50;
const variantsOf = <Value extends z.ZodType>(value: Value, description: string, ...rules: readonly CelRule[]) =>
  z
    .record(z.string(), value)
    .meta({
      description,
      maxProperties: MOST_VARIANTS,
      ...cel({ rule: "self.size() > 0", message: "must have at least one variant" }, variantNameRule, ...rules),
    })
    .optional();
const MOST_NUMBER = Number.MAX_SAFE_INTEGER;
const variants = z
  .object({
    boolean: variantsOf(z.boolean(), 'True or false: {"on": true, "off": false}. YAML needs the quotes.'),
    string: variantsOf(z.string().max(65_536), "Text."),
    number: variantsOf(z.number(), "Numbers.", {
      rule: `self.all(name, self[name] >= -${MOST_NUMBER}.0 && self[name] <= ${MOST_NUMBER}.0)`,
      message: `numbers must be within ±${MOST_NUMBER}, or clients would lose digits`,
    }),
    object: variantsOf(
      z.record(z.string(), z.unknown()).meta({ "x-kubernetes-preserve-unknown-fields": true }),
      "JSON objects, at most 64 KiB each.",
    ),
  })
  .meta({
    description: "What the flag can be: values of one type, by name.",
    ...cel(...oneOf(["boolean", "string", "number", "object"], "variants")),
  });

const TYPES = ["boolean", "string", "number", "object"] as const;
/** CEL: whether `name` is a variant of the flag whose spec is `self`. */
const isVariant = (name: string) =>
  `(!has(self.variants) ? ${name} in ['on', 'off'] : ${TYPES.map((type) => `has(self.variants.${type}) ? ${name} in self.variants.${type} : `).join("")}true)`;
const NO_VARIANT = `" is not one of variants; in YAML write "on" and "off" with quotes'`;
/** A member of the spec that must name a variant. */
const namesVariant = (path: string): CelRule => {
  const [head = "", ...rest] = path.split(".");
  const there = [head, ...rest]
    .map(
      (_, i) =>
        `has(self.${path
          .split(".")
          .slice(0, i + 1)
          .join(".")})`,
    )
    .join(" && ");
  return {
    rule: `!(${there}) || ${isVariant(`self.${path}`)}`,
    message: `'"' + self.${path} + '${NO_VARIANT}`,
    field: `.${path}`,
  };
};
/** As above, for every item of a list; it cannot tell which, as that would cost more than CEL allows. */
const allNameVariants = (path: string, member: string): CelRule => ({
  rule: `!(${path
    .split(".")
    .map((_, i, all) => `has(self.${all.slice(0, i + 1).join(".")})`)
    .join(" && ")}) || self.${path}.all(item, ${isVariant(`item.${member}`)})`,
  message: `every ${member} must be one of variants; in YAML write "on" and "off" with quotes`,
  field: `.${path}`,
});

const target = z
  .object({
    variant: variantName("What they get."),
    keys: keys("Their targeting keys.", 1000),
  })
  .meta({ description: "Users whom the variant is for, one by one." });

const rule = z
  .object({
    name: z.string().max(63).meta({ description: "What it is called in messages." }).optional(),
    when: when("All of these must hold; none: everyone."),
    serve: variantName("What they get then."),
  })
  .meta({ description: "A rule; of several that hold, the first." });

const prerequisite = z
  .object({
    flag: flagKey("The key of a FeatureFlag in the same flag set."),
    variants: z
      .array(z.string().max(63))
      .max(MOST_VARIANTS)
      .meta({
        description: "It must give the user one of these.",
        "x-kubernetes-list-type": "set",
        ...cel({ rule: "self.size() > 0", message: "must have at least one variant" }),
      }),
  })
  .meta({ description: "Another flag that must be on first." });

const SHARE_TEXT = "^(100([.]0{1,3})?|[0-9]{1,2}([.][0-9]{1,3})?)%$";
/** A share of users: out of 100 000, so at most three decimals. */
const share = (description: string) =>
  intOrString(description, {
    rule: `type(self) == int ? self >= 0 && self <= 100 : string(self).matches('${SHARE_TEXT}')`,
    message: `'must be a percentage from 0 to 100, as a number or as text such as "0.125%" (got ' + string(self) + ')'`,
  });
/** CEL for the percent of a share; of one that its own rule refuses, 0. */
const percentOf = (path: string) =>
  `(type(${path}) == int ? double(${path}) : string(${path}).matches('${SHARE_TEXT}') ? double(string(${path}).replace('%', '')) : 0.0)`;

const percentage = z
  .object({
    weights: z
      .array(z.object({ variant: variantName("What they get."), weight: share("How many of the users.") }))
      .max(MOST_VARIANTS)
      .meta({
        description: "The share of each variant; together 100 %.",
        "x-kubernetes-list-type": "atomic",
        ...cel(
          {
            rule: `self.map(w, ${percentOf("w.weight")}).sum() > 99.9999 && self.map(w, ${percentOf("w.weight")}).sum() < 100.0001`,
            message: "weights must sum to 100 %",
          },
          {
            rule: "self.all(w, self.exists_one(v, v.variant == w.variant))",
            message: "each variant may stand only once",
          },
        ),
      }),
  })
  .meta({ description: "Fixed shares. Growing one moves nobody who is treated already." });

const progressive = z
  .object({
    variant: variantName("The variant that more and more users get."),
    from: share("The share at the start.").meta(unlessSaid("0%")).optional(),
    to: share("The share at the end.").meta(unlessSaid("100%")).optional(),
    start: moment("When it begins to grow."),
    end: moment("When it has grown."),
    mode: choice(
      ["continuous", "stepped"],
      "continuous: by the clock of whoever evaluates, operator or not; stepped: in up to a hundred steps.",
    )
      .meta(unlessSaid("continuous; stepped with schedule or rolloutRef"))
      .optional(),
  })
  .meta({
    description: "A share that grows over time.",
    ...cel(
      { rule: "self.start < self.end", message: "end must be later than start" },
      {
        rule: `(has(self.from) ? ${percentOf("self.from")} : 0.0) < (has(self.to) ? ${percentOf("self.to")} : 100.0)`,
        message: "to must be more than from; a graceful revert is what makes a share smaller",
      },
    ),
  });

const flagAnalysis = z
  .object({
    ...analysisFields,
    compare: choice(
      ["variants", "beforeAfter"],
      "variants: users with the variant against those with the default one, by a label of their requests; beforeAfter: all requests against those before the ramp, where there is no such label.",
    )
      .meta(unlessSaid("variants"))
      .optional(),
    labels: z
      .object({
        ...seriesLabels,
        flag: labelName("Label with the flag's key; series without it, or of other flags, do not count.")
          .meta(unlessSaid("feature_flag_key"))
          .optional(),
        variant: labelName("Label with the variant's name.").meta(unlessSaid("feature_flag_variant")).optional(),
      })
      .optional()
      .meta({ description: "Names of labels, where yours differ." }),
    match: z
      .record(z.string(), z.string().max(256))
      .meta({
        description: "Labels, with their values, of the series that count: {app: checkout}.",
        maxProperties: 16,
        ...cel({
          rule: "self.all(name, name.size() <= 128 && name.matches('^[a-zA-Z_][a-zA-Z0-9_]*$'))",
          message: "names must be names of labels: letters, digits and _",
        }),
      })
      .optional(),
  })
  .meta({ description: "How the variant is judged, from its first user to the end of the bake." });

const canary = z
  .object({
    variant: variantName("The variant that more and more users get."),
    ...stepFields,
    analysis: flagAnalysis.optional(),
    onFailure: choice(
      ["revert", "gracefulRevert", "pause", "notify"],
      "revert: safeVariant for all; gracefulRevert: the last in go first; pause: nobody new; notify: an Event only.",
    )
      .meta(unlessSaid("revert"))
      .optional(),
    bake: durationOrZero("How long it is still judged after 100 %, and reverted on a breach.")
      .meta(unlessSaid("10m"))
      .optional(),
  })
  .meta({
    description: "A share that grows in steps while Prometheus says that it does no harm.",
    ...cel(...stepRules),
  });

const STRATEGIES = ["allAtOnce", "percentage", "progressive", "canary"] as const;
const strategy = z
  .object({
    allAtOnce: z
      .object({ variant: variantName("What everyone gets.") })
      .meta({ description: "Everyone." })
      .optional(),
    percentage: percentage.optional(),
    progressive: progressive.optional(),
    canary: canary.optional(),
  })
  .meta({
    description: "Who is treated, beside targets and rules. Left out: nobody.",
    ...cel(...oneOf(STRATEGIES, "a strategy")),
  });

const stickiness = z
  .object({
    attribute: attributeName("What a user is told from others by; text.").meta(unlessSaid("targetingKey")).optional(),
    seed: z
      .string()
      .max(253)
      .meta({
        description: "What shuffles users. Flags with the same seed treat the same ones.",
        ...unlessSaid("the flag's key"),
        ...cel({ rule: "self.size() > 0", message: "must not be empty; leave it out for the flag's key" }),
      })
      .optional(),
    missing: choice(["control", "safe"], "What those without the attribute get: defaultVariant or safeVariant.")
      .meta(unlessSaid("control"))
      .optional(),
  })
  .meta({ description: "What decides that a user gets the same variant again." });

const lifecycle = z
  .object({
    owner: z.string().max(253).meta({ description: "Whom to ask." }).optional(),
    expires: moment("When it should be gone from the code; afterwards it is Stale, and served as before.").optional(),
    permanent: z
      .boolean()
      .meta({ description: "It is meant to stay.", ...unlessSaid("false; true for class ops and killSwitch") })
      .optional(),
  })
  .meta({
    description: "Who owns it, and until when.",
    ...cel({
      rule: "!(has(self.expires) && has(self.permanent) && self.permanent)",
      message: "expires and permanent exclude each other; remove one",
    }),
  });

const byItself = "has(self.strategy.progressive.mode) && self.strategy.progressive.mode == 'continuous'";
const driven = "has(self.schedule) || has(self.rolloutRef)";
const typeOf = (spec: string) =>
  `(!has(${spec}.variants) || has(${spec}.variants.boolean) ? 'boolean' : has(${spec}.variants.string) ? 'string' : has(${spec}.variants.number) ? 'number' : 'object')`;

export const featureFlagSpec = z
  .object({
    key: flagKey("What programs ask for.").meta(unlessSaid("the object's name")).optional(),
    flagSet: z
      .string()
      .min(1)
      .max(253)
      .meta({
        description: "The set that it is served in: the namespace, or what begins with it and a slash.",
        ...unlessSaid("the namespace"),
        ...cel({
          rule: "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[A-Za-z0-9][-A-Za-z0-9_.]*)*$')",
          message: `'must be the namespace, or begin with it as "shop/web" does (got "' + self + '")'`,
        }),
      })
      .optional(),
    description: z.string().max(1024).meta({ description: "What it is for." }).optional(),
    enabled: z
      .boolean()
      .meta({ description: "False: programs use the default of their own code.", ...unlessSaid("true") })
      .optional(),
    variants: variants.meta(unlessSaid('boolean: {"on": true, "off": false}')).optional(),
    defaultVariant: variantName("What everyone gets whom nothing else treats: the control.")
      .meta(unlessSaid("off, where variants is left out too"))
      .optional(),
    safeVariant: variantName("What is served when the flag is killed or reverted.")
      .meta(unlessSaid("defaultVariant"))
      .optional(),
    class: choice(
      ["release", "experiment", "ops", "killSwitch"],
      "What kind of flag it is. Clients never cache one of class killSwitch.",
    )
      .meta(unlessSaid("release"))
      .optional(),
    visibility: choice(["server", "client"], "client: browsers may see it.").meta(unlessSaid("server")).optional(),
    lifecycle: lifecycle.optional(),
    stickiness: stickiness.optional(),
    targets: z
      .array(target)
      .max(MOST_VARIANTS)
      .meta({ description: "Single users, before all rules.", "x-kubernetes-list-type": "atomic" })
      .optional(),
    rules: z
      .array(rule)
      .max(50)
      .meta({ description: "Groups of users, before the strategy.", "x-kubernetes-list-type": "atomic" })
      .optional(),
    prerequisites: z
      .array(prerequisite)
      .max(10)
      .meta({
        description: "Flags that must give a user certain variants, or the user gets defaultVariant.",
        "x-kubernetes-list-type": "atomic",
      })
      .optional(),
    strategy: strategy.optional(),
    schedule: schedule.meta({ description: "When a ramp may advance; it never stops a way back." }).optional(),
    rolloutRef: z
      .object({
        name: nameOf("A Rollout in the same namespace."),
        revertTogether: choice(["none", "flag", "rollout", "both"], "Which one a revert of the other takes along.")
          .meta(unlessSaid("none"))
          .optional(),
      })
      .meta({ description: "The flag advances only while this Rollout's revision is healthy." })
      .optional(),
  })
  .meta({
    description: "What is wanted.",
    ...cel(
      {
        rule: "!has(self.variants) || has(self.defaultVariant)",
        message: "variants need a defaultVariant",
        field: ".variants",
      },
      namesVariant("defaultVariant"),
      namesVariant("safeVariant"),
      allNameVariants("targets", "variant"),
      allNameVariants("rules", "serve"),
      namesVariant("strategy.allAtOnce.variant"),
      allNameVariants("strategy.percentage.weights", "variant"),
      namesVariant("strategy.progressive.variant"),
      namesVariant("strategy.canary.variant"),
      {
        rule: `!has(self.strategy) || !has(self.strategy.progressive) || !(${byItself}) || !(${driven})`,
        message: "mode continuous advances by itself, so schedule and rolloutRef could not hold it; use stepped",
        field: ".strategy.progressive.mode",
      },
      {
        rule: `${typeOf("self")} == ${typeOf("oldSelf")}`,
        message:
          "the type of variants is immutable, as programs ask for one type; kubectl replace --force makes the flag anew",
        field: ".variants",
      },
    ),
  });

const keyOf = (object: string) => `(has(${object}.spec.key) ? ${object}.spec.key : ${object}.metadata.name)`;

export type FeatureFlagSpec = z.input<typeof featureFlagSpec>;
export type FlagRule = z.input<typeof rule>;
export type FlagStrategy = z.input<typeof strategy>;
export type FlagVariants = z.input<typeof variants>;
export type FlagAnalysis = z.input<typeof flagAnalysis>;

export interface FeatureFlag extends KubeObject {
  readonly spec: FeatureFlagSpec;
  readonly status?: FeatureFlagStatus;
}

export const featureFlagCrd = {
  kind: "FeatureFlag",
  plural: "featureflags",
  shortName: "zff",
  description:
    "A switch in a program that reaches its users in steps, is judged, and is taken back when it hurts them.",
  unseenStatus: { observedGeneration: -1 },
  rules: [
    {
      rule: `${keyOf("self")} == ${keyOf("oldSelf")}`,
      message: "is immutable: programs would no longer find the flag; make one for the other key",
      field: ".spec.key",
    },
    {
      rule: `!(${keyOf("self")} in [${RESERVED.map((name) => `'${name}'`).join(", ")}])`,
      message: `must not be ${RESERVED.join(", ")}, which every object of JavaScript has`,
      field: ".spec.key",
    },
  ],
  columns: [
    { name: "Serves", type: "string", jsonPath: ".status.display.serves", description: "What users get now." },
    { name: "Strategy", type: "string", jsonPath: ".status.display.strategy", description: "How it reaches them." },
    { name: "Step", type: "string", jsonPath: ".status.display.step", description: "The step it is at." },
    { name: "Status", type: "string", jsonPath: ".status.phase", description: "Where the flag stands." },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Since it was made." },
    { name: "Class", type: "string", jsonPath: ".spec.class", description: "What kind of flag.", priority: 1 },
    { name: "Owner", type: "string", jsonPath: ".spec.lifecycle.owner", description: "Whom to ask.", priority: 1 },
    {
      name: "Expires",
      type: "string",
      jsonPath: ".spec.lifecycle.expires",
      description: "When it should be gone.",
      priority: 1,
    },
    {
      name: "Delivered",
      type: "string",
      jsonPath: ".status.display.delivered",
      description: "Clients that have it, of those connected.",
      priority: 1,
    },
    { name: "Message", type: "string", jsonPath: ".status.message", description: "One sentence.", priority: 1 },
  ],
} as const;
