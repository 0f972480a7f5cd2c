import type { Answer, ServedFlag } from "../served-flag.ts";

/** What OFREP 0.3.0 says, as JSON. https://github.com/open-feature/protocol, service/openapi.yaml */

export type ErrorCode = "PARSE_ERROR" | "TARGETING_KEY_MISSING" | "INVALID_CONTEXT" | "GENERAL" | "FLAG_NOT_FOUND";

/** One flag's answer, alone or in a list. Without `value` the client's own default holds. */
function flagAnswer({ key, metadata }: ServedFlag, answer: Answer): object {
  switch (answer.kind) {
    case "value":
      return { key, value: answer.value, reason: answer.reason, variant: answer.variant, metadata };
    case "codeDefault":
      return { key, reason: answer.reason, metadata };
    case "error":
      return { key, errorCode: answer.code, errorDetails: answer.message, metadata };
  }
}

type Texts = Map<string, Map<string | undefined, string>>;
const texts = new WeakMap<ServedFlag, Texts>();

/** The same as JSON text. What a flag can answer is little, and is written once: who asks for a thousand flags gets a thousand
 * such pieces. */
export function answerText(flag: ServedFlag, answer: Answer): string {
  if (answer.kind === "error") return JSON.stringify(flagAnswer(flag, answer));
  const variant = answer.kind === "value" ? answer.variant : undefined;
  const known = texts.get(flag)?.get(answer.reason)?.get(variant);
  return known ?? written(flag, answer.reason, variant, JSON.stringify(flagAnswer(flag, answer)));
}

function written(flag: ServedFlag, reason: string, variant: string | undefined, text: string): string {
  const ofFlag: Texts = texts.get(flag) ?? new Map();
  const ofReason = ofFlag.get(reason) ?? new Map<string | undefined, string>();
  texts.set(flag, ofFlag.set(reason, ofReason.set(variant, text)));
  return text;
}

/** @param key of the flag that was asked for; none for the list of all */
export function failure(errorCode: ErrorCode, errorDetails: string, key?: string): object {
  return { ...(key === undefined ? {} : { key }), errorCode, errorDetails };
}
