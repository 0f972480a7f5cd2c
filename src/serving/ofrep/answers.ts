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

const texts = new WeakMap<ServedFlag, Map<string, string>>();

/** The same as JSON text. What a flag can answer is little, and is written once: who asks for a thousand flags gets a thousand
 * such pieces. */
export function answerText(flag: ServedFlag, answer: Answer): string {
  if (answer.kind === "error") return JSON.stringify(flagAnswer(flag, answer));
  const known = texts.get(flag) ?? new Map<string, string>();
  texts.set(flag, known);
  const name = answer.kind === "value" ? `${answer.reason} ${answer.variant}` : answer.reason;
  const text = known.get(name) ?? JSON.stringify(flagAnswer(flag, answer));
  known.set(name, text);
  return text;
}

/** @param key of the flag that was asked for; none for the list of all */
export function failure(errorCode: ErrorCode, errorDetails: string, key?: string): object {
  return { ...(key === undefined ? {} : { key }), errorCode, errorDetails };
}
