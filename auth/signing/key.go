package signing

// PublicKey is a compressed secp256k1 public key.
type PublicKey [33]byte
