import type { Answer, ServedFlag } from "../served-flag.ts";

/** What OFREP 0.3.0 says, as JSON. https://github.com/open-feature/protocol, service/openapi.yaml */

export type ErrorCode = "PARSE_ERROR" | "TARGETING_KEY_MISSING" | "INVALID_CONTEXT" | "GENERAL" | "FLAG_NOT_FOUND";

/** One flag's answer, alone or in a list. Without `value` the client's own default holds. */
export function flagAnswer({ key, metadata }: ServedFlag, answer: Answer): object {
  switch (answer.kind) {
    case "value":
      return { key, value: answer.value, reason: answer.reason, variant: answer.variant, metadata };
    case "codeDefault":
      return { key, reason: answer.reason, metadata };
    case "error":
      return { key, errorCode: answer.code, errorDetails: answer.message, metadata };
  }
}

/** @param key of the flag that was asked for; none for the list of all */
export function failure(errorCode: ErrorCode, errorDetails: string, key?: string): object {
  return { ...(key === undefined ? {} : { key }), errorCode, errorDetails };
}
