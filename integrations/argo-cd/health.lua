-- Health of a Rollout in Argo CD. A sync waits while it is Progressing or Suspended, and fails on Degraded: so only a release that was
-- taken back, or cannot go on, is that. status.observedGeneration is an integer, as kstatus wants it.
local phases = {
  Pending = "Progressing",
  Progressing = "Progressing",
  Paused = "Suspended",
  Baking = "Healthy",
  Healthy = "Healthy",
  Reverted = "Degraded",
  Failed = "Degraded",
}
local status = obj.status
if status == nil or status.phase == nil then
  return { status = "Progressing", message = "Zenith has not looked at it yet; is the operator running?" }
end
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Zenith has not seen this version of the spec yet" }
end
-- While one version goes back another may be in Git, or stable again: what Git holds was not rejected, and comes next.
local rejected = status.rejected and status.rejected.revision
if status.phase == "Reverted" and status.wanted ~= nil and status.wanted.revision ~= rejected then
  return { status = "Progressing", message = status.message }
end
return { status = phases[status.phase] or "Unknown", message = status.message or status.phase }
