import type { ControllerRevision } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { ANNOTATION_IMAGES, ANNOTATION_MARK, ANNOTATION_REASON, LABEL_REVISION } from "../../core/rollout/names.ts";
import type { Style } from "../io.ts";
import { tableOf } from "./table.ts";
import { ageOf } from "./words.ts";

/** A revision that is kept, and what became of it. */
export interface KeptRevision {
  readonly number: number;
  readonly revision: string;
  /** "stable", "canary", "promoted", "rejected", or "" for one that never came so far. */
  readonly state: string;
  readonly images: readonly string[];
  readonly createdAt: string;
  /** When it was promoted or reverted last, as far as status remembers. */
  readonly at?: string;
  readonly message: string;
}

/** Revisions that can be gone back to, the newest first. */
export function historyOf(rollout: Rollout, records: readonly ControllerRevision[]): KeptRevision[] {
  const { status } = rollout;
  return records
    .map(({ revision: number, metadata }): KeptRevision => {
      const revision = metadata.labels?.[LABEL_REVISION] ?? "";
      const { [ANNOTATION_MARK]: mark = "", [ANNOTATION_REASON]: reason = "" } = metadata.annotations ?? {};
      const last = status?.history?.find((entry) => entry.revision === revision);
      const isStable = status?.stable?.revision === revision;
      const isCanary = status?.canary?.revision === revision && mark !== "rejected";
      return {
        number,
        revision,
        state: isStable ? "stable" : isCanary ? "canary" : mark,
        images: (metadata.annotations?.[ANNOTATION_IMAGES] ?? "").split(" ").filter((image) => image !== ""),
        createdAt: metadata.creationTimestamp ?? "",
        ...(last === undefined ? {} : { at: last.at }),
        message: mark === "rejected" ? reason : (last?.message ?? ""),
      };
    })
    .sort((a, b) => b.number - a.number);
}

export function renderHistory(kept: readonly KeptRevision[], nowMs: number, style: Style): string[] {
  const paint = (state: string) =>
    state === "rejected" ? style.red(state) : state === "stable" ? style.green(state) : state;
  const rows = kept.map(({ number, revision, state, images, createdAt, at, message }) => [
    String(number),
    revision,
    paint(state),
    ageOf(createdAt, nowMs),
    at === undefined ? "" : `${ageOf(at, nowMs)} ago`,
    images.join(" "),
    message,
  ]);
  return tableOf(["NUMBER", "REVISION", "STATE", "AGE", "DECIDED", "IMAGES", "WHY"], rows, style);
}
