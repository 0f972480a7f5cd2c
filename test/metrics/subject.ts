import type { RolloutSubject } from "../../src/metrics/template.ts";

/** A release of shop/web with routes, at 25 %. */
export const subject: RolloutSubject = {
  kind: "rollout",
  namespace: "shop",
  rollout: "web",
  service: "web",
  canary: { hash: "6d4c", replicaSet: "web-6d4c", pods: "web-6d4c-[a-z0-9]{5}", service: "web-canary" },
  stable: { hash: "58bf", replicaSet: "web-58bf", pods: "web-58bf-[a-z0-9]{5}", service: "web" },
  weightBp: 2500,
};
