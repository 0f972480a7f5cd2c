import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import { planSegment, segmentsNamed } from "../../core/flags/segment-status.ts";
import { Mirror } from "../mirror.ts";
import type { FlagShell } from "./controller.ts";

/** Tells in the status of each FlagSegment how many flags name it. */
export function mirrorSegments(shell: FlagShell): Mirror<FlagSegment> {
  const { flags, segments } = shell.sources;
  const mirror = new Mirror<FlagSegment>({
    ...shell,
    name: "segment",
    kind: "FlagSegment",
    store: segments,
    plan: (segment, nowMs) => {
      const { namespace = "", name } = segment.metadata;
      return planSegment(segment, flags.byIndex("segment", `${namespace}/${name}`), nowMs);
    },
  });
  const named = (flag: FeatureFlag): FlagSegment[] =>
    segmentsNamed(flag).flatMap((name) => segments.get(flag.metadata.namespace ?? "", name) ?? []);
  flags.subscribe((type, flag, old) => {
    const now = type === "deleted" ? [] : segmentsNamed(flag);
    const before = old === undefined ? [] : segmentsNamed(old);
    if (type === "modified" && now.join() === before.join()) return;
    mirror.look([...named(flag), ...(old === undefined ? [] : named(old))]);
  });
  return mirror;
}
