// Package hostile tests the server against hostile clients: the real program,
// under a hard limit of memory, takes attacks while honest users go on.
//
// There is nothing in it but tests. They do not run under the race detector,
// which multiplies the memory that they measure.
package hostile
