// Reads manifests, as YAML documents, and decodes those of the Prometheus Operator into its own types: a field that it does not know, or one
// of another type, is an error. Prints the kind and name of each that it read.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	syaml "sigs.k8s.io/yaml"
)

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(manifests io.Reader) error {
	scheme := runtime.NewScheme()
	if err := monitoring.AddToScheme(scheme); err != nil {
		return err
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewYAMLReader(bufio.NewReader(manifests))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		about := metav1.PartialObjectMetadata{}
		if err := syaml.Unmarshal(document, &about); err != nil {
			return err
		}
		if about.GroupVersionKind().Group != monitoring.SchemeGroupVersion.Group {
			continue
		}
		if _, _, err := decoder.Decode(document, nil, nil); err != nil {
			return fmt.Errorf("%s %q: %w", about.Kind, about.Name, err)
		}
		fmt.Println(about.Kind, about.Name)
	}
}
