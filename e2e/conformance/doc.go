// Package conformance holds the program's HTTP stack to the official MCP conformance suite: the same middleware, routes
// and http.Server as `serve --listen`, around an MCP server that offers the fixtures which the suite calls by name.
// `make conformance` installs the suite and runs it.
package conformance
