//go:build tools

// Package tools pins etcd for the development servers.
package tools

import _ "go.etcd.io/etcd/server/v3"
