package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// provider asks a flag server for each evaluation, and is told of changes on a stream.
type provider struct {
	server *server
	events chan openfeature.Event
}

func newProvider(server *server) *provider {
	return &provider{server, make(chan openfeature.Event, 16)}
}

func (p *provider) Metadata() openfeature.Metadata {
	return openfeature.Metadata{Name: "flagd.evaluation.v1"}
}
func (p *provider) Hooks() []openfeature.Hook              { return nil }
func (p *provider) EventChannel() <-chan openfeature.Event { return p.events }
func (p *provider) Shutdown()                              { p.server.connection.Close() }

// Init returns once the server has said that it is ready.
func (p *provider) Init(openfeature.EvaluationContext) error {
	ready := make(chan struct{}, 1)
	go p.listen(ready)
	<-ready
	return nil
}

func (p *provider) listen(ready chan<- struct{}) {
	for {
		_ = p.server.watch("EventStream", func(message protoreflect.Message) {
			switch text(message, "type") {
			case "provider_ready":
				select {
				case ready <- struct{}{}:
				default:
				}
			case "configuration_change":
				flags, _ := structOf(message, "data")["flags"].(map[string]any)
				p.events <- openfeature.Event{
					EventType:            openfeature.ProviderConfigChange,
					ProviderEventDetails: openfeature.ProviderEventDetails{FlagChanges: slices.Collect(maps.Keys(flags))},
				}
			}
		})
		time.Sleep(100 * time.Millisecond)
	}
}

func (p *provider) BooleanEvaluation(ctx context.Context, flag string, fallback bool, user openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	value, detail := resolve(ctx, p.server, "ResolveBoolean", flag, fallback, user, protoreflect.Value.Bool)
	return openfeature.BoolResolutionDetail{Value: value, ProviderResolutionDetail: detail}
}

func (p *provider) StringEvaluation(ctx context.Context, flag string, fallback string, user openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	value, detail := resolve(ctx, p.server, "ResolveString", flag, fallback, user, protoreflect.Value.String)
	return openfeature.StringResolutionDetail{Value: value, ProviderResolutionDetail: detail}
}

func (p *provider) FloatEvaluation(ctx context.Context, flag string, fallback float64, user openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	value, detail := resolve(ctx, p.server, "ResolveFloat", flag, fallback, user, protoreflect.Value.Float)
	return openfeature.FloatResolutionDetail{Value: value, ProviderResolutionDetail: detail}
}

func (p *provider) IntEvaluation(ctx context.Context, flag string, fallback int64, user openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	value, detail := resolve(ctx, p.server, "ResolveInt", flag, fallback, user, protoreflect.Value.Int)
	return openfeature.IntResolutionDetail{Value: value, ProviderResolutionDetail: detail}
}

func (p *provider) ObjectEvaluation(_ context.Context, _ string, fallback any, _ openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return openfeature.InterfaceResolutionDetail{Value: fallback, ProviderResolutionDetail: openfeature.ProviderResolutionDetail{
		ResolutionError: openfeature.NewGeneralResolutionError("no test asks for objects"),
	}}
}

func resolve[T any](
	ctx context.Context, server *server, method, flag string, fallback T, user openfeature.FlattenedContext,
	read func(protoreflect.Value) T,
) (T, openfeature.ProviderResolutionDetail) {
	answer, err := server.call(ctx, method, map[string]any{"flagKey": flag, "context": map[string]any(user)})
	if err != nil {
		return fallback, openfeature.ProviderResolutionDetail{ResolutionError: errorOf(err), Reason: openfeature.ErrorReason}
	}
	variant := text(answer, "variant")
	value := read(answer.Get(answer.Descriptor().Fields().ByName("value")))
	if variant == "" {
		value = fallback // The code's own, says the protocol: v1 cannot leave a value out.
	}
	return value, openfeature.ProviderResolutionDetail{
		Reason:       openfeature.Reason(text(answer, "reason")),
		Variant:      variant,
		FlagMetadata: structOf(answer, "metadata"),
	}
}

func errorOf(err error) openfeature.ResolutionError {
	switch message := err.Error(); status.Code(err) {
	case codes.NotFound:
		return openfeature.NewFlagNotFoundResolutionError(message)
	case codes.InvalidArgument:
		return openfeature.NewTypeMismatchResolutionError(message)
	default:
		return openfeature.NewGeneralResolutionError(message)
	}
}
