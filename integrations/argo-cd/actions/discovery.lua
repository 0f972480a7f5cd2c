-- Which verbs a Rollout takes in its phase; docs/verbs.md says what each does.
local verbs = {
  promote = { Progressing = true, Paused = true },
  ["promote-full"] = { Progressing = true, Paused = true },
  pause = { Progressing = true },
  resume = { Paused = true },
  abort = { Progressing = true, Paused = true },
  retry = { Reverted = true },
  rollback = { Progressing = true, Paused = true, Baking = true, Healthy = true, Reverted = true },
}
local phase = obj.status ~= nil and obj.status.phase or ""
local actions = {}
for verb, phases in pairs(verbs) do
  actions[verb] = { disabled = not phases[phase] }
end
return actions
