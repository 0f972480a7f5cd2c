import * as z from "zod";
import { type CelRule, cel } from "./crd.ts";
import { has, intOrString, nameOf, oneOf } from "./fields.ts";

/** Who is meant: conditions on what a program says of the user whom it asks for. Rules and segments are made of them. */

/** Names that JavaScript's objects have already. */
export const RESERVED = ["__proto__", "constructor", "prototype"] as const;
const reserved = `[${RESERVED.map((name) => `'${name}'`).join(", ")}]`;

export const VARIANT_NAME = "^[A-Za-z0-9][-A-Za-z0-9._]{0,62}$";
/** What the API server says of a variant that is no such name: it is not one of `variants`. */
export const variantName = (description: string) => z.string().max(63).meta({ description });

/** CEL that holds for the names of variants in a map. */
export const variantNameRule: CelRule = {
  rule: `self.all(name, name.size() <= 63 && name.matches('${VARIANT_NAME}') && !(name in ${reserved}))`,
  message: `'names of variants must be letters, digits, - _ and ., at most 63, not ${RESERVED.join(", ")}'`,
};

/** A person's, program's or company's key. */
const key = z.string().max(256);
export const keys = (description: string, most: number) =>
  z
    .array(key)
    .max(most)
    .meta({
      description,
      "x-kubernetes-list-type": "set",
      ...cel({ rule: "self.all(key, key.size() > 0)", message: "a key must not be empty" }),
    });

export const attributeName = (description: string) =>
  z
    .string()
    .max(128)
    .meta({
      description,
      ...cel({
        rule: `self.matches('^[A-Za-z0-9_$][-A-Za-z0-9_$:/@.]*$') && !(self in ${reserved})`,
        message: `'must be the name of an attribute, such as "plan" or "company.id" (got "' + self + '")'`,
      }),
    });

/** A version as semver.org has it, in the words that RE2 and JavaScript share. */
const NUMBER = "(0|[1-9][0-9]*)";
const PRERELEASE = `(${NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)`;
export const VERSION = `${NUMBER}[.]${NUMBER}[.]${NUMBER}(-${PRERELEASE}([.]${PRERELEASE})*)?([+][0-9a-zA-Z-]+([.][0-9a-zA-Z-]+)*)?`;
const SEMVER = `^(=|!=|<|<=|>|>=|~|\\\\^)? *${VERSION}$`;

const texts = (description: string) =>
  z
    .array(intOrString("Text or a whole number.").meta({ maxLength: 256 }))
    .max(100)
    .meta({
      description,
      "x-kubernetes-list-type": "atomic",
      ...cel({ rule: "self.size() > 0", message: "must have at least one value" }),
    })
    .optional();
const text = (description: string) =>
  z
    .string()
    .max(256)
    .meta({ description, ...cel({ rule: "self.size() > 0", message: "must not be empty" }) })
    .optional();
const number = (description: string) => z.number().meta({ description }).optional();

/** What is asked of an attribute; a condition has one of them. */
export const OPERATORS = [
  "in",
  "notIn",
  "startsWith",
  "endsWith",
  "contains",
  "is",
  "exists",
  "semver",
  "greaterThan",
  "atLeast",
  "lessThan",
  "atMost",
] as const;
const OTHERS = ["segment", "notSegment", "jsonLogic"] as const;
const hasOperator = OPERATORS.map(has).join(" || ");

export const clause = z
  .object({
    attribute: attributeName("What is compared; a dot leads into an object.").optional(),
    in: texts("Is one of these."),
    notIn: texts("Is there, and is none of these."),
    startsWith: text("Is text that begins so."),
    endsWith: text("Is text that ends so."),
    contains: text("Is text that has this within."),
    is: z.boolean().meta({ description: "Is exactly true, or exactly false." }).optional(),
    exists: z.boolean().meta({ description: "Is there at all; false: is not." }).optional(),
    semver: z
      .string()
      .max(64)
      .meta({
        description: 'Is a version as ">=2.1.0" says; with =, !=, <, <=, >, >=, ~ (same minor) or ^ (same major).',
        ...cel({
          rule: `self.matches('${SEMVER}')`,
          message: `'must be an operator and a whole version, such as ">=2.1.0" (got "' + self + '")'`,
        }),
      })
      .optional(),
    greaterThan: number("Is a number above."),
    atLeast: number("Is this number or one above."),
    lessThan: number("Is a number below."),
    atMost: number("Is this number or one below."),
    segment: nameOf("Belongs to this FlagSegment, in the same namespace.").optional(),
    notSegment: nameOf("Does not belong to this FlagSegment.").optional(),
    jsonLogic: z
      .record(z.string(), z.unknown())
      .meta({
        description: "A condition in flagd's JSONLogic, for what the others cannot say; at most 20 deep.",
        "x-kubernetes-preserve-unknown-fields": true,
      })
      .optional(),
  })
  .meta({
    description: "One condition; it has exactly one operator.",
    ...cel(...oneOf([...OPERATORS, ...OTHERS], "a condition"), {
      rule: `has(self.attribute) == (${hasOperator})`,
      message: `attribute belongs to ${OPERATORS.join(", ")}, and each of them needs it`,
    }),
  });

export const when = (description: string) =>
  z.array(clause).max(20).meta({ description, "x-kubernetes-list-type": "atomic" });

export type Clause = z.input<typeof clause>;
