package main

import (
	"context"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // Says to the server that gzip is welcome.
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// server is a flag server by the published protocol, through grpc-go.
type server struct {
	connection *grpc.ClientConn
	selector   string
	methods    protoreflect.MethodDescriptors
}

var services = map[string]struct {
	file string
	name protoreflect.Name
}{
	"v1":   {"evaluation_v1.proto", "Service"},
	"v2":   {"evaluation_v2.proto", "Service"},
	"sync": {"sync_v1.proto", "FlagSyncService"},
}

// connect takes the protocol that is spoken from the folder of its files, as published.
func connect(address, selector, protos, kind string) (*server, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{protos}}),
	}
	service := services[kind]
	files, err := compiler.Compile(context.Background(), service.file)
	if err != nil {
		return nil, err
	}
	retry := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.5, MaxDelay: 500 * time.Millisecond}
	connection, err := grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: time.Second}),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
	)
	if err != nil {
		return nil, err
	}
	return &server{connection, selector, files[0].Services().ByName(service.name).Methods()}, nil
}

// call asks once; request and answer as JSON has them.
func (s *server) call(ctx context.Context, name string, request map[string]any) (protoreflect.Message, error) {
	method := s.methods.ByName(protoreflect.Name(name))
	asked, err := messageOf(method.Input(), request)
	if err != nil {
		return nil, err
	}
	answer := dynamicpb.NewMessage(method.Output())
	err = s.connection.Invoke(s.with(ctx), pathOf(method), asked, answer)
	return answer, err
}

// watch opens a stream, and gives what comes until it ends.
func (s *server) watch(name protoreflect.Name, onMessage func(protoreflect.Message)) error {
	method := s.methods.ByName(name)
	ctx, cancel := context.WithCancel(s.with(context.Background()))
	defer cancel()
	stream, err := s.connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, pathOf(method))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(dynamicpb.NewMessage(method.Input())); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		message := dynamicpb.NewMessage(method.Output())
		if err := stream.RecvMsg(message); err != nil {
			return err
		}
		onMessage(message)
	}
}

// watchFlags gives each set of flags that comes, also after the server was away.
func (s *server) watchFlags(onFlags func(string)) {
	for {
		_ = s.watch("SyncFlags", func(message protoreflect.Message) { onFlags(text(message, "flag_configuration")) })
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *server) with(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "flagd-selector", s.selector)
}

func pathOf(method protoreflect.MethodDescriptor) string {
	return "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
}

func messageOf(shape protoreflect.MessageDescriptor, fields map[string]any) (*dynamicpb.Message, error) {
	message := dynamicpb.NewMessage(shape)
	written, err := structpb.NewStruct(fields)
	if err != nil {
		return nil, err
	}
	json, err := protojson.Marshal(written)
	if err != nil {
		return nil, err
	}
	return message, protojson.Unmarshal(json, message)
}

func text(message protoreflect.Message, field protoreflect.Name) string {
	return message.Get(message.Descriptor().Fields().ByName(field)).String()
}

// structOf is a google.protobuf.Struct of the message, as JSON has it.
func structOf(message protoreflect.Message, field protoreflect.Name) map[string]any {
	json, err := protojson.Marshal(message.Get(message.Descriptor().Fields().ByName(field)).Message().Interface())
	if err != nil {
		return nil
	}
	read := &structpb.Struct{}
	if protojson.Unmarshal(json, read) != nil {
		return nil
	}
	return read.AsMap()
}
