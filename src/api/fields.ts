import * as z from "zod";
import { type CelRule, cel } from "./crd.ts";

/** Fields that more than one kind has. Ranges and choices that deserve a hint are CEL rules, as a failing `enum` or `maximum`
 * hides every other message. */

const DURATION = "^[0-9]{1,9}(s|m|h|d)$";
const durationRules = (zero: boolean) => {
  const unit = (u: string, most: number) =>
    `(!self.endsWith('${u}') || int(self.substring(0, self.size() - 1)) <= ${most})`;
  return [
    {
      rule: `self.matches('${DURATION}')`,
      message: `'must be one integer and s, m, h or d, such as "10m" (got "' + self + '")'`,
    },
    {
      rule: `!self.matches('${DURATION}') || (${unit("d", 365)} && ${unit("h", 8760)} && ${unit("m", 525600)} && ${unit("s", 31536000)})`,
      message: `'must be at most 365d (got "' + self + '")'`,
    },
    ...(zero
      ? []
      : [{ rule: `!self.matches('^0+(s|m|h|d)$')`, message: `'must be longer than zero (got "' + self + '")'` }]),
  ];
};
/** CEL for the seconds of a duration; of one that its own rules refuse, any number. */
export const secondsOf = (path: string) =>
  `(!${path}.matches('${DURATION}') ? 31536000 : int(${path}.substring(0, ${path}.size() - 1)) * (${path}.endsWith('s') ? 1 : ${path}.endsWith('m') ? 60 : ${path}.endsWith('h') ? 3600 : 86400))`;
export const duration = (description: string) =>
  z
    .string()
    .max(16)
    .meta({ description, ...cel(...durationRules(false)) });
export const durationOrZero = (description: string) =>
  z
    .string()
    .max(16)
    .meta({ description, ...cel(...durationRules(true)) });

const PERCENT = "^(100(\\\\.0{1,4})?|[0-9]{1,2}(\\\\.[0-9]{1,4})?)%$";
export const percentText = (description: string) =>
  z
    .string()
    .max(10)
    .meta({
      description,
      ...cel({
        rule: `self.matches('${PERCENT}')`,
        message: `'must be a percentage such as "0.5%", at most 100% (got "' + self + '")'`,
      }),
    });

export const latencyText = (description: string) =>
  z
    .string()
    .max(16)
    .meta({
      description,
      ...cel({
        rule: "self.matches('^[0-9]{1,9}(ms|s|m)$') && !self.matches('^0+(ms|s|m)$')",
        message: `'must be a time such as "500ms" or "2s" (got "' + self + '")'`,
      }),
    });

export const intOrString = (description: string, ...rules: readonly CelRule[]) =>
  z.union([z.int(), z.string()]).meta({
    description,
    "x-kubernetes-int-or-string": true,
    maxLength: 10,
    ...(rules.length === 0 ? {} : cel(...rules)),
  });

const WEIGHT_TEXT = "^(100(\\\\.0{1,2})?|[0-9]{1,2}(\\\\.[0-9]{1,2})?)%$";
export const weight = intOrString('Percent of traffic for the canary: 5, or "0.5%".', {
  rule: `type(self) == int ? self >= 0 && self <= 100 : string(self).matches('${WEIGHT_TEXT}')`,
  message: `'must be a percentage from 0 to 100, as a number or as text such as "0.5%" (got ' + string(self) + ')'`,
});
/** DNS labels as Kubernetes names Services, and subdomains as it names other objects. */
export const nameOf = (description: string) =>
  z
    .string()
    .min(1)
    .max(253)
    .meta({
      description,
      ...cel({
        rule: `self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')`,
        message: `'must be the name of an object in the same namespace: lower case letters, digits, - and . (got "' + self + '")'`,
      }),
    });
/** CEL: whether `self` has this member. CEL's own word `in` is spelt otherwise there. */
export const has = (name: string) => `has(self.${name === "in" ? "__in__" : name})`;
/** Exactly one of these members. Two rules, as a message that lists what it found would cost more than CEL allows.
 * @param unless CEL; where it holds, another rule has said what is wrong */
export const oneOf = (names: readonly string[], what: string, unless = "false"): readonly CelRule[] => {
  const count = names.map((name) => `(${has(name)} ? 1 : 0)`).join(" + ");
  const message = `${what} must have exactly one of ${names.join(", ")}`;
  return [
    { rule: `${unless} || ${count} > 0`, message: `${message} (got none)` },
    { rule: `${unless} || ${count} < 2`, message: `${message} (got more than one)` },
  ];
};
/** A whole number within bounds; CEL and not `minimum`, which has no hint and hides every other message. The API server
 * says itself what it got: text made of a number costs more than CEL allows. */
export const between = (least: number, most: number) =>
  cel({ rule: `self >= ${least} && self <= ${most}`, message: `must be from ${least} to ${most}` });
export const choice = <const Names extends readonly string[]>(names: Names, description: string) => {
  const rule = {
    rule: `self in [${names.map((n) => `'${n}'`).join(", ")}]`,
    message: `'must be one of ${names.join(", ")} (got "' + self + '")'`,
  };
  return z
    .string()
    .max(32)
    .meta({ description, ...cel(rule) }) as unknown as z.ZodType<Names[number], Names[number]>;
};

/** A field that people may bring from elsewhere: known, so that its refusal has a sentence. */
export const later = (description: string) =>
  z
    .object({})
    .meta({ description: `${description} Comes in a later version.`, "x-kubernetes-preserve-unknown-fields": true })
    .optional();
