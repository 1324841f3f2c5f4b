package main

// What schema.graphql makes; what ent/schema makes stands in ent/generate.go.
//go:generate go tool gqlgen generate
