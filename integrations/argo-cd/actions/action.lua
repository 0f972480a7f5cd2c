-- The request of a person, as an annotation: never in spec, which Git holds. It is bound to the revision that was looked at.
local wanted = obj.status ~= nil and obj.status.wanted ~= nil and obj.status.wanted.revision or "none"
if obj.metadata.annotations == nil then obj.metadata.annotations = {} end
obj.metadata.annotations["zenith.sh/request"] = "VERB@" .. wanted .. "#argocd-" .. tostring(os.time())
return obj
