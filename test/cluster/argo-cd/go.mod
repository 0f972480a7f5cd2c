module zenith.sh/argo-cd

go 1.26.0

require (
	github.com/itchyny/gojq v0.12.17
	github.com/yuin/gopher-lua v1.1.1
)

require github.com/itchyny/timefmt-go v0.1.6 // indirect
