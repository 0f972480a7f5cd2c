// A program as its users write it, with the OpenFeature SDK for Go. It is asked by lines of JSON on standard input, and answers
// by lines of JSON on standard output; what it is told of is a line too. As "sync" it prints each set of flags that comes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/open-feature/go-sdk/openfeature"
)

type question struct {
	Type     string           `json:"type"`
	Key      string           `json:"key"`
	Default  any              `json:"default"`
	Contexts []map[string]any `json:"contexts"`
}

type answer struct {
	Value    any            `json:"value"`
	Variant  string         `json:"variant"`
	Reason   string         `json:"reason"`
	Metadata map[string]any `json:"metadata"`
}

var printing sync.Mutex

func say(line map[string]any) {
	printing.Lock()
	defer printing.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// main takes the kind (v1 or v2 of the evaluation protocol, or sync), the port, the selector and the folder of the published protocol.
func main() {
	kind, address, selector := os.Args[1], "127.0.0.1:"+os.Args[2], os.Args[3]
	server, err := connect(address, selector, os.Args[4], kind)
	if err != nil {
		fail(err)
	}
	if kind == "sync" {
		server.watchFlags(func(flags string) { say(map[string]any{"flags": flags}) })
		return
	}
	if err := openfeature.SetProviderAndWait(newProvider(server)); err != nil {
		fail(err)
	}
	client := openfeature.NewDefaultClient()
	changed := func(details openfeature.EventDetails) { say(map[string]any{"changed": details.FlagChanges}) }
	client.AddHandler(openfeature.ProviderConfigChange, &changed)
	answerLines(client)
}

func answerLines(client *openfeature.Client) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fail(err)
		}
		answers := make([]answer, len(asked.Contexts))
		for i, attributes := range asked.Contexts {
			answers[i] = ask(client, asked, contextOf(attributes))
		}
		say(map[string]any{"answers": answers})
	}
}

func contextOf(attributes map[string]any) openfeature.EvaluationContext {
	key, _ := attributes[openfeature.TargetingKey].(string)
	delete(attributes, openfeature.TargetingKey)
	return openfeature.NewEvaluationContext(key, attributes)
}

// ask answers with the default and the reason ERROR where the SDK has an error for us, as a program would go on.
func ask(client *openfeature.Client, asked question, user openfeature.EvaluationContext) answer {
	switch asked.Type {
	case "boolean":
		details, _ := client.BooleanValueDetails(context.Background(), asked.Key, asked.Default.(bool), user)
		return answerOf(details.Value, details.ResolutionDetail)
	case "string":
		details, _ := client.StringValueDetails(context.Background(), asked.Key, asked.Default.(string), user)
		return answerOf(details.Value, details.ResolutionDetail)
	default:
		details, _ := client.FloatValueDetails(context.Background(), asked.Key, asked.Default.(float64), user)
		return answerOf(details.Value, details.ResolutionDetail)
	}
}

func answerOf(value any, details openfeature.ResolutionDetail) answer {
	return answer{value, details.Variant, string(details.Reason), details.FlagMetadata}
}
