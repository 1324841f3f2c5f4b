package main

// What schema.graphql makes; what ent/schema makes stands in ent/generate.go.
//go:generate go run -mod=mod github.com/99designs/gqlgen generate
