import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import { planSegment, segmentsNamed } from "../../core/flags/segment-status.ts";
import type { Listener } from "../../kube/store.ts";
import { Mirror } from "../mirror.ts";
import type { FlagShell } from "./controller.ts";

/** Tells in the status of each FlagSegment how many flags and segments name it. */
export function mirrorSegments(shell: FlagShell): Mirror<FlagSegment> {
  const { flags, segments } = shell.sources;
  const mirror = new Mirror<FlagSegment>({
    ...shell,
    name: "segment",
    kind: "FlagSegment",
    store: segments,
    plan: (segment, nowMs) => {
      const { namespace = "", name } = segment.metadata;
      const key = `${namespace}/${name}`;
      return planSegment(segment, flags.byIndex("segment", key), segments.byIndex("segment", key), nowMs);
    },
  });
  const named = (user: FeatureFlag | FlagSegment): FlagSegment[] =>
    segmentsNamed(user).flatMap((name) => segments.get(user.metadata.namespace ?? "", name) ?? []);
  const lookAtNamed: Listener<FeatureFlag | FlagSegment> = (type, user, old) => {
    const now = type === "deleted" ? [] : segmentsNamed(user);
    const before = old === undefined ? [] : segmentsNamed(old);
    if (type === "modified" && now.join() === before.join()) return;
    mirror.look([...named(user), ...(old === undefined ? [] : named(old))]);
  };
  flags.subscribe(lookAtNamed);
  segments.subscribe(lookAtNamed);
  return mirror;
}
