// Package signing is how a request says whose it is: the text that is signed,
// the signature over it, and the way back from a signature to its owner.
//
// It is a profile of HTTP Message Signatures (RFC 9421) with Content-Digest
// (RFC 9530): ECDSA over secp256k1 and SHA-256, with signatures from which the
// public key can be recovered. Each kind of request has exactly one list of
// components and parameters, in one order, so that a signature has one form and
// its parser needs no choices.
//
// The package is pure: it reads no clock, keeps no state and does no input or
// output. Whether a signature is fresh and new is for package auth.
package signing
