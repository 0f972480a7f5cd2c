//go:build tools

package main

// Kept in go.mod for the CRDs in its folder.
import _ "sigs.k8s.io/gateway-api/apis/v1"
